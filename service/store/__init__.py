"""Parley's database: articles, API keys and moderators' decisions, in SQLite or PostgreSQL.

`tables` defines the tables, `database` opens them, and one module each reads and writes them: `articles`,
`keys`, `feedback`; `retention` deletes what is too old. Nothing else in Parley uses SQL. The schema's history
is in `service/store/migrations`.
"""

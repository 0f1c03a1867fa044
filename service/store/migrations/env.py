"""Alembic's environment: migrates with the connection and transaction of `store.database`.

To write a migration, copy the newest file of `versions`, and set HEAD there.
"""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=False)
context.run_migrations()

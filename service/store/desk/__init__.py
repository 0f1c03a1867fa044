"""The desk's data: queues and their comments, decisions, people, policy versions, closed stories.

`tables` defines the columns. `items` are comments, `listing` finds them, `leases` assigns them; `decisions`
is the log, `deliveries` its pending webhook calls.
"""

"""What the desk keeps: queues and the comments in them, decisions, people, policy versions, closed stories.

`tables` are the columns. `items` are comments, `listing` finds them, `leases` gives them out; `decisions` is
the log, `deliveries` what it owes to webhooks.
"""

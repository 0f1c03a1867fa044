"""The moderator's desk: pages at /desk for those who read comments, and what comes and goes with them.

`pages` are what they see, `access` lets them in. `arrivals` takes comments in, `scoring` scores uploads,
`webhooks` sends decisions on, `decisions` takes them by REST. Nothing comes from another host.
"""

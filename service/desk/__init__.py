"""The moderators' desk: the pages at /desk, and what feeds and follows them.

`pages` holds the pages, `access` signs moderators in. `arrivals` stores incoming comments, `scoring` scores
uploads, `webhooks` sends decisions out, `decisions` takes them by REST. Pages load nothing from other hosts.
"""

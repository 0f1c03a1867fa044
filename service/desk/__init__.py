"""The moderator's desk: pages at /desk for those who read comments, and what comes and goes with them.

`pages` renders, `people` lets in, `queue` lists and decides, `uploads` and `scoring` take files, `reading`
sets thresholds, `working` says whether it helps, `log` exports. `arrivals` takes comments in, `webhooks`
sends decisions on, `decisions` takes them by REST. Nothing comes from another host.
"""

"""Perspective's v1alpha1 protocol, for clients that change nothing but a base URL.

    POST /v1alpha1/comments:analyze        scores (`analyze`)
    POST /v1alpha1/comments:suggestscore   stores moderators' decisions (`suggest`)
    GET  /$discovery/rest                  the document Google's client libraries are built from (`discovery`)
    POST /batch                            up to 100 of these calls in one multipart request (`batch`)

`schemas` has the bodies, `attributes` the names that can be requested, `context` the article and the parent,
`spans` the sentences, `errors` Google's error format.
"""

from fastapi import APIRouter

from parley.service.protocols.perspective import analyze, batch, discovery, suggest
from parley.service.protocols.perspective.errors import render
from parley.service.web.wire import Wire

router = APIRouter(tags=["perspective"])
for part in (analyze, suggest, discovery, batch):
    router.include_router(part.router)

WIRE = Wire(
    router=router,
    paths=("/v1alpha1/", "/$discovery/", "/batch"),
    predicting=("/v1alpha1/comments:analyze",),
    render=render,
)

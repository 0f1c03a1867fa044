"""The training record in `artifact.json`, including earlier stages, whose data the network has also learnt
from.

    history(Artifact.open("model/artifacts/parley-minilm"), config={...}, sources={...}, made={...})

The record is flat for any number of stages: the evaluation reads each test with the options by which a stage
held it out, and the model card lists every source. If two stages read the same source, the later entry
counts.
"""

from __future__ import annotations

from typing import Any

from parley.model.artifact import Artifact

Values = dict[str, Any]


def history(
    base: Artifact | None, *, config: Values, sources: Values, made: Values, teacher: Values | None = None
) -> Values:
    """The record of a run of `config` on `sources` that started from `base` (None: from an encoder).

    "started_from" says which artifact that was; "base" in the configuration stays the encoder of the first
    stage. Values that the run's configuration doesn't set are kept from earlier stages, except operating
    points, which are fitted anew. "teachers" lists those of all stages (see
    parley.training.fit.distillation).
    """
    new = [] if teacher is None else [teacher]
    if base is None:
        return {"config": config, "sources": sources, "made": made, "teachers": new}
    info = base.info
    past = info["training"]
    before: Values = past.get("config", {})
    specs = {spec["name"]: spec for spec in (*before.get("sources", ()), *config.get("sources", ()))}
    given = {key: value for key, value in config.items() if value is not None}
    return {
        "config": before
        | {"thresholds": {}}
        | given
        | {"base": before.get("base", info["name"]), "sources": list(specs.values())},
        "sources": past.get("sources", {}) | sources,
        "made": past.get("made", {}) | made,
        "teachers": past.get("teachers", []) + new,
        "started_from": which(base),
    }


def which(artifact: Artifact) -> Values:
    """What identifies an artifact: name, version, when it was written, commit of the code."""
    return {key: artifact.info[key] for key in ("name", "version", "created", "commit")}

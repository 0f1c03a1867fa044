"""One comment's result: an entry of `results`, or a line of `parley score`."""

from __future__ import annotations

from typing import Any

from parley.model.comment import Prediction
from parley.service.policy.decision import Decision


def to_result(prediction: Prediction, decision: Decision) -> dict[str, Any]:
    """The prediction and the decision as JSON-ready values, in documented order."""
    result = prediction.to_dict()
    notes = result.pop("notes")
    result["decision"] = decision.to_dict()
    result["notes"] = notes
    return result

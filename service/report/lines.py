"""A report's thresholds: those of its policy, and for each score the one used for counting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from parley.model.artifact import DEFAULT, Artifact
from parley.service.policy.decision import Action, Policy
from parley.service.policy.rules import SCORES


@dataclass(frozen=True, slots=True)
class Line:
    """A rule of the policy: a `score` (a path such as `abuse.toxicity`) from `value` on leads to `action`."""

    score: str
    value: float
    action: Action
    code: str


@dataclass(frozen=True, slots=True)
class Cut:
    """The score from which a comment counts, and where that number comes from."""

    value: float
    origin: str


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines to draw (`drawn`), the cuts for counting (by score), and the policy's name and codes."""

    policy: str
    drawn: tuple[Line, ...]
    cuts: dict[str, Cut]
    codes: frozenset[str]

    @classmethod
    def load(cls, policy: str, *, model: Path | None = None) -> Lines:
        """The thresholds of `policy`; those it takes from the model come from the artifact at `model`.

        Without `model`, that is the artifact that comes with Parley. Raises PolicyError, and ArtifactError if
        there is no artifact at `model`.
        """
        thresholds = Artifact.open(model or DEFAULT).thresholds if model or DEFAULT.is_dir() else {}
        loaded = Policy.load(policy, thresholds=thresholds)
        drawn = tuple(
            Line(rule.when, loaded.threshold(rule), rule.action, rule.code)
            for rule in loaded.rules
            if rule.when in SCORES and rule.at_most is None
        )
        cuts = {score: _cut(score, loaded, thresholds) for score in SCORES}
        return cls(loaded.name, drawn, cuts, frozenset(rule.code for rule in loaded.rules))


def _cut(score: str, policy: Policy, thresholds: dict[str, float]) -> Cut:
    if policy.acting_point(score) is not None:
        origin = f"policy {policy.name}"
    elif score.removeprefix("abuse.") in thresholds:
        origin = "the model"
    else:
        origin = "0.5: neither policy nor model sets one"
    return Cut(policy.operating_point(score), origin)

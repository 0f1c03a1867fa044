"""A policy: a site's rules that turn scores and surface facts into approve, review or reject, with reasons.

    policy = Policy.load("coinspeaker", thresholds=classifier.thresholds)   # or the path of a YAML file
    policy.decide(comment, prediction)   # Decision(action="reject", reasons=(Reason(code="spam", ...),))

A rule fires when its condition holds, those under `also` hold too and none of those under `unless` does. The
strictest action of the rules that fired is the decision; `otherwise` is the decision when none did. A score
that is null never fires a rule. Stance never acts: a reader's side is not a reason for moderation. A comment
on a closed story is rejected, whatever the rules say.

PolicyError names the file, the key, the problem and the fix.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from parley.model.comment import Comment, Prediction
from parley.model.labels import ABUSE
from parley.model.notes import Note
from parley.service.errors import PolicyError
from parley.service.policy.rules import MIN_LETTERS, SCORES, WORD_LIST, Condition, PolicyFile, Rule
from parley.service.policy.surface import Surface, WordList
from parley.service.validation import explain

Action = Literal["approve", "review", "reject"]
SEVERITY: dict[Action, int] = {"approve": 0, "review": 1, "reject": 2}
EVEN_ODDS = 0.5
"""What `at_least: model` means for a label without a threshold in the artifact."""
_ABUSE_LABELS = {f"abuse.{label}": label for label in ABUSE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a rule fired: `score` is the value found, `threshold` what it was compared with.

    `when` is the rule's, for protocols with their own codes; answers omit it.
    """

    code: str
    detail: str
    score: float | None = None
    threshold: float | None = None
    when: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The reason as JSON-ready values."""
        return {"code": self.code, "detail": self.detail, "score": self.score, "threshold": self.threshold}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A policy's decision on one comment; the strictest reason comes first."""

    action: Action
    reasons: tuple[Reason, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The decision as JSON-ready values, keys as in the REST answer."""
        return {"action": self.action, "reasons": [reason.to_dict() for reason in self.reasons]}


CLOSED = Reason(
    code=Note.STORY_CLOSED.value,
    detail="this story takes no more comments",
    when=Note.STORY_CLOSED.value,
)
"""Why a comment on a closed story is rejected, whatever the policy's rules say."""


class Policy:
    """A policy ready to decide. Immutable, and safe to share between threads."""

    def __init__(
        self,
        rules: PolicyFile,
        *,
        name: str,
        word_lists: Mapping[str, WordList],
        thresholds: Mapping[str, float],
    ) -> None:
        self.name = name
        self.rules = rules.rules
        self.description = rules.description
        self.observe = rules.observe
        """Whether its decisions are reported and counted, but never acted on."""
        self.otherwise: Action = rules.otherwise
        self.version = 0
        """0 for the file itself; see `with_thresholds`."""
        self._file = rules
        self._word_lists = word_lists
        self._thresholds = thresholds

    @classmethod
    def load(cls, name_or_path: str | Path, *, thresholds: Mapping[str, float] | None = None) -> Policy:
        """Load the shipped policy of this name, or a YAML file.

        `thresholds` are the artifact's (`Classifier.thresholds`), used by `at_least: model`.
        Raises PolicyError.
        """
        file = _find(name_or_path)
        parsed = _parse(file)
        word_lists = {name: _word_list(file, name, words) for name, words in parsed.word_lists.items()}
        name = parsed.name or Path(file.name).stem
        return cls(parsed, name=name, word_lists=word_lists, thresholds=thresholds or {})

    def decide(self, comment: Comment, prediction: Prediction) -> Decision:
        """The strictest action of the rules that fire; `reject` for a comment whose story is closed.

        Never raises for any comment and its prediction.
        """
        decision = self._apply_rules(comment, prediction)
        if Note.STORY_CLOSED in prediction.notes:
            return Decision(action="reject", reasons=(CLOSED, *decision.reasons))
        return decision

    def _apply_rules(self, comment: Comment, prediction: Prediction) -> Decision:
        facts = _Facts(comment, prediction, self._word_lists)
        fired: dict[tuple[str, str], tuple[Rule, Reason]] = {}
        for rule in self.rules:
            reason = self._fire(rule, facts)
            if reason is None:
                continue
            key = (rule.code, rule.when)
            # If rules form steps (review from 0.7, reject from 0.9), only the strictest is reported.
            if key not in fired or SEVERITY[rule.action] > SEVERITY[fired[key][0].action]:
                fired[key] = rule, reason
        if not fired:
            return Decision(action=self.otherwise)
        ordered = sorted(fired.values(), key=lambda pair: -SEVERITY[pair[0].action])
        return Decision(action=ordered[0][0].action, reasons=tuple(reason for _, reason in ordered))

    def nearly(self, comment: Comment, prediction: Prediction) -> tuple[Reason, ...]:
        """The rules that would fire if only the score reached the threshold."""
        facts = _Facts(comment, prediction, self._word_lists)
        reasons = []
        for rule in self.rules:
            if rule.at_most is not None or rule.when not in SCORES or self._holds(rule, facts):
                continue
            reason = self._fire(rule.model_copy(update={"at_least": 0.0}), facts)
            if reason is not None:
                reasons.append(replace(reason, threshold=self.threshold(rule)))
        return tuple(reasons)

    @property
    def label(self) -> str:
        """Name and version, as in the log of decisions."""
        return f"{self.name}@{self.version}"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the rules: policies with the same fingerprint make the same decisions."""
        rules = [rule.model_dump() for rule in self.rules]
        return hashlib.sha256(json.dumps([rules, self.otherwise], sort_keys=True).encode()).hexdigest()

    def with_thresholds(self, thresholds: Mapping[str, float], *, version: int) -> Policy:
        """The same rules with other thresholds, by `rule_key`; the rest unchanged."""
        rules = [
            rule.model_copy(update={"at_least": thresholds[rule_key(rule)]})
            if rule.at_most is None and rule_key(rule) in thresholds
            else rule
            for rule in self.rules
        ]
        file = self._file.model_copy(update={"rules": rules})
        made = Policy(file, name=self.name, word_lists=self._word_lists, thresholds=self._thresholds)
        made.version = version
        return made

    def _fire(self, rule: Rule, facts: _Facts) -> Reason | None:
        if rule.languages is not None and facts.language not in rule.languages:
            return None
        if not self._holds(rule, facts):  # nearly all rules end here
            return None
        if not all(self._holds(condition, facts) for condition in rule.also):
            return None
        if any(self._holds(condition, facts) for condition in rule.unless):
            return None
        score, threshold = facts.value(rule), self.threshold(rule)
        detail = rule.message or facts.describe(rule, threshold)
        return Reason(code=rule.code, detail=detail, score=score, threshold=threshold, when=rule.when)

    def _holds(self, condition: Condition, facts: _Facts) -> bool:
        value = facts.value(condition)
        if value is None:
            return False
        threshold = self.threshold(condition)
        return value >= threshold if condition.at_most is None else value <= threshold

    @cached_property
    def operating_points(self) -> dict[str, float]:
        """Each label's operating point: see `operating_point`."""
        return {_ABUSE_LABELS.get(score, score): self.operating_point(score) for score in SCORES}

    def operating_point(self, score: str) -> float:
        """The lowest score at which a rule on this label alone acts, else the model's threshold."""
        acting = self.acting_point(score)
        return self._of_model(score) if acting is None else acting

    def acting_point(self, score: str) -> float | None:
        """The lowest threshold of the rules that act on this score alone, or None."""
        acting = [
            self.threshold(rule)
            for rule in self.rules
            if rule.when == score and rule.at_most is None and SEVERITY[rule.action] and not rule.also
        ]
        return min(acting, default=None)

    def _of_model(self, score: str) -> float:
        return self._thresholds.get(_ABUSE_LABELS.get(score, score), EVEN_ODDS)

    def threshold(self, condition: Condition) -> float:
        """The threshold of `condition`, the model's own if it says `model`."""
        if condition.at_most is not None:
            return condition.at_most
        if condition.at_least == "model" or condition.at_least is None:
            return self._of_model(condition.when)
        return condition.at_least


class _Facts:
    """The values that rules use, for one comment."""

    def __init__(self, comment: Comment, prediction: Prediction, word_lists: Mapping[str, WordList]) -> None:
        self._comment = comment
        self._prediction = prediction
        self._word_lists = word_lists
        self.language = prediction.language or comment.language

    @cached_property
    def _surface(self) -> Surface:
        return Surface.of(self._comment)  # only for policies that use it: it reads the text again

    def value(self, condition: Condition) -> float | None:
        """The value that `condition` tests; None if there is none."""
        path = condition.when
        if path in SCORES:
            return self._prediction.score(path)
        surface = self._surface
        if path.startswith(WORD_LIST):
            return len(surface.matches(self._word_lists[path.removeprefix(WORD_LIST)]))
        if path == "capitals":
            return surface.capitals(min_letters=condition.min_letters or MIN_LETTERS)
        if path == "links":
            return surface.links(ignore_hosts=condition.ignore_hosts or ())
        return len(surface.words) if path == "words" else int(getattr(surface, path))

    def describe(self, condition: Condition, threshold: float) -> str:
        """The value in words; for a word list its entries, never the comment's text."""
        sign = "at least" if condition.at_most is None else "at most"
        stated = f"{condition.when} {round(self.value(condition) or 0, 4):g} ({sign} {round(threshold, 4):g})"
        if condition.when.startswith(WORD_LIST):
            entries = self._surface.matches(self._word_lists[condition.when.removeprefix(WORD_LIST)])
            return f"{stated}: {', '.join(dict.fromkeys(entries))}"
        return stated


def rule_key(rule: Rule) -> str:
    """The key of a rule's threshold."""
    return f"{rule.code}/{rule.when}/{rule.action}"


def shipped() -> dict[str, Traversable]:
    """The shipped policies, by name."""
    folder = resources.files("parley") / "configs" / "policies"
    return {file.name.removesuffix(".yaml"): file for file in folder.iterdir() if file.name.endswith(".yaml")}


def _find(name_or_path: str | Path) -> Traversable:
    known = shipped()
    if str(name_or_path) in known:
        return known[str(name_or_path)]
    path = Path(name_or_path)
    if not path.exists():
        raise PolicyError(
            f"{name_or_path}: no such policy; give one of {', '.join(sorted(known))}, or a YAML file's path"
        )
    return path


def _parse(file: Traversable) -> PolicyFile:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{file} can't be read: {error}; a policy is a YAML file in UTF-8") from error
    except yaml.YAMLError as error:
        raise PolicyError(f"{file} is not YAML: {error}; fix it there") from error
    if not isinstance(values, dict):
        raise PolicyError(f"{file} must hold keys such as `rules:`; see configs/policies/default.yaml")
    try:
        return PolicyFile.model_validate(values)
    except ValidationError as error:
        raise PolicyError(f"{file}:\n{explain(error, PolicyFile)}") from error


def _word_list(policy_file: Traversable, name: str, words: list[str] | str) -> WordList:
    place = f"{policy_file}: word_lists.{name}"
    try:
        if isinstance(words, list):
            return WordList(words)
        path = Path(str(policy_file)).parent / words
        lines = map(str.strip, path.read_text(encoding="utf-8").splitlines())
        return WordList(line for line in lines if line and not line.startswith("#"))
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(
            f"{place}: {path} can't be read: {error}; write one word or phrase per line, in UTF-8"
        ) from error
    except ValueError as error:
        raise PolicyError(f"{place}: {error}") from error

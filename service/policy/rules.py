"""The contents of a policy file: rules and conditions, checked while it is read.

    name, description     what the file is for
    otherwise             the action when no rule fires (approve)
    word_lists            NAME: [words and phrases], or NAME: FILE beside the policy, one entry a line
    rules                 each with code, when, at_least or at_most, action; message, also, unless, languages

configs/policies/default.yaml explains every key.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from parley.model.labels import ABUSE, OFF_TOPIC, SPAM

SCORES = (*(f"abuse.{name}" for name in ABUSE), SPAM, OFF_TOPIC)
"""The scores that a condition may name, by their path in the answer."""
SHARES = ("capitals",)
COUNTS = ("links", "repeated_characters", "repeated_words", "characters", "words")
WORD_LIST = "word_list."
MIN_LETTERS = 15
"""The fewest cased letters for `capitals` to apply: "USA!" is not shouting."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Condition(_Strict):
    """Compares `when` with `at_least` (a number, or `model`: the artifact's threshold) or `at_most`."""

    when: str
    at_least: float | Literal["model"] | None = None
    at_most: float | None = None
    min_letters: int | None = Field(default=None, ge=1)
    ignore_hosts: list[str] | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_when()
        self._check_threshold()
        if self.min_letters is not None and self.when != "capitals":
            raise ValueError("min_letters goes with `when: capitals` only; remove it here")
        if self.ignore_hosts is not None and self.when != "links":
            raise ValueError("ignore_hosts goes with `when: links` only; remove it here")
        return self

    def _check_when(self) -> None:
        if self.when.startswith("stance"):
            raise ValueError(
                "a policy can't act on stance, since an opinion is not a reason for moderation: remove this "
                "condition"
            )
        if self.when not in (*SCORES, *SHARES, *COUNTS) and not self.when.startswith(WORD_LIST):
            known = ", ".join((*SCORES, *SHARES, *COUNTS, WORD_LIST + "NAME"))
            raise ValueError(f"`when` can't be {self.when!r}; give one of {known}")

    def _check_threshold(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(f"{self.when} needs one threshold: at_least or at_most, not both")
        if self.at_least == "model":
            if self.when not in SCORES:
                raise ValueError(
                    f"the model has no threshold for {self.when}; give a number, as in `at_least: 3`"
                )
            return
        value = self.at_least if self.at_least is not None else self.at_most
        top = 1.0 if self.when in (*SCORES, *SHARES) else float("inf")
        if not 0 <= float(value or 0) <= top:
            between = "is between 0 and 1 (0.9 for 90 %)" if top == 1 else "is a count, 0 or more"
            raise ValueError(f"threshold {value} is out of range: {self.when} {between}")


class Rule(Condition):
    """A condition with an action; `code` is for machines, `message` for people."""

    code: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    action: Literal["approve", "review", "reject"]
    message: str | None = None
    also: list[Condition] = []
    unless: list[Condition] = []
    languages: list[str] | None = None

    @property
    def conditions(self) -> list[Condition]:
        """Every condition of the rule, its own first."""
        return [self, *self.also, *self.unless]


class PolicyFile(_Strict):
    """The whole file."""

    name: str | None = None
    description: str = ""
    observe: bool = False
    otherwise: Literal["approve", "review", "reject"] = "approve"
    word_lists: dict[str, list[str] | str] = {}
    rules: list[Rule]

    @model_validator(mode="after")
    def _check_observing(self) -> Self:
        actions = [self.otherwise, *(rule.action for rule in self.rules)]
        if self.observe and "reject" in actions:
            raise ValueError(
                "a policy with `observe: true` can't reject; write `observe: false` to let it act"
            )
        return self

    @model_validator(mode="after")
    def _check_word_lists(self) -> Self:
        for place, rule in enumerate(self.rules):
            for condition in rule.conditions:
                name = condition.when.removeprefix(WORD_LIST)
                if condition.when.startswith(WORD_LIST) and name not in self.word_lists:
                    known = ", ".join(self.word_lists) or "none yet"
                    raise ValueError(
                        f"rules[{place}] names an unknown word list, {name!r}; add it to word_lists ({known})"
                    )
        return self

"""The test sets of `parley evaluate`, what they measure, and their checks.

Any source of `parley.training.data.sources` with test rows can be a test without being listed here; it then
has only figures by label. The first sixteen are scored by default.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from parley.model.artifact import Artifact
from parley.training.data.examples import Example
from parley.training.data.preparation import SourceSpec, load
from parley.training.data.registry import Split
from parley.training.evaluation.checks import (
    AFFIRMED,
    NEGATED,
    Check,
    abuse_quoted,
    against_each_kind,
    any_rater,
    comment_cut,
    context_cut,
    dialect_gap,
    disguise_kept,
    harmless_flagged,
    identity_auc,
    sentiment_swapped,
    target_worded,
)
from parley.training.evaluation.checks.news import (
    as_labelled,
    flagged_kinds,
    insults_kept,
    insults_kept_in,
    named_sides,
    own_against,
)
from parley.training.evaluation.figures import SEED

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """What a test set measures (`shows`), whether it has comments on news, and its checks.

    `split` is dev for a source without test rows; thresholds may have been set on it. `most` limits the rows
    of a slice (or of "all"), drawn by the seed.
    """

    shows: str
    news: bool = False
    split: Split = "test"
    checks: Mapping[str, Check] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)


SUITE: dict[str, Test] = {
    # the tests of a release
    "vast": Test(
        shows="stance towards targets, zero-shot and few-shot",
        news=True,
        checks={
            "target negated": target_worded(NEGATED, turns=True),
            "target affirmed": target_worded(AFFIRMED, turns=False),
        },
    ),
    "robtest": Test(shows="toxicity, Wikipedia talk"),
    "toxic_spans": Test(
        shows="sub-types of abuse, and spans", news=True, checks={"abuse quoted": abuse_quoted}
    ),
    "jigsaw_multilabel": Test(shows="the six labels of 2018, Wikipedia talk"),
    "hatemoji": Test(shows="HatemojiCheck: accuracy on functions of hate with emoji"),
    "debates": Test(
        shows="off-topic: held-out debates with swapped pairs",
        news=True,
        checks={
            "title only": context_cut,
            "cut short": comment_cut,
            "kinds of wrong article": against_each_kind,
        },
    ),
    "youtube_spam": Test(shows="spam, on a held-out video"),
    "c3": Test(
        shows="toxicity graded by a crowd; level 1 is harmless",
        news=True,
        checks={
            "harmless flagged": harmless_flagged("level 1"),
            "insults in long comments": insults_kept_in("level 1"),
        },
    ),
    # comments under news stories; functional cases
    "stories": Test(
        shows="stance and off-topic under news stories; dev rows, which thresholds were set on",
        news=True,
        split="dev",
        checks={
            "named sides": named_sides,
            "own story against": own_against,
            "off-topic as labelled": as_labelled,
        },
    ),
    "story_comments": Test(
        shows="abuse under news stories, and what is allowed; dev rows, which thresholds were set on",
        news=True,
        split="dev",
        checks={"flagged": flagged_kinds},
    ),
    "story_replies": Test(shows="replies under news stories; dev", news=True, split="dev"),
    "debagreement": Test(shows="replies on Reddit: agree, disagree or neither"),
    "stance_cases": Test(shows="functional cases of stance", news=True, checks={"named sides": named_sides}),
    "abuse_cases": Test(
        shows="functional cases of abuse, in pairs with similar wording",
        news=True,
        checks={"flagged": flagged_kinds},
    ),
    "hidden_insults": Test(
        shows="insults alone, and among 400 harmless words",
        news=True,
        checks={"kept among harmless words": insults_kept},
    ),
    "harmless_long": Test(
        shows="long harmless comments, alone and joined in pairs",
        news=True,
        checks={"flagged": flagged_kinds},
    ),
    # harsh but allowed
    "unhealthy": Test(
        shows="sharp but allowed remarks",
        news=True,
        checks={"harmless flagged": harmless_flagged("healthy")},
    ),
    "impermium": Test(
        shows="insults; negatives are often harsh",
        news=True,
        checks={"harmless flagged": harmless_flagged(None)},
    ),
    # bias
    "unintended_bias": Test(
        shows="bias by identity term",
        checks={"identity terms": identity_auc("madlibs", "intersectional")},
        most={"madlibs": 12_000, "intersectional": 6_000},
    ),
    "twitter_aae_dialect": Test(shows="bias by dialect", checks={"dialect": dialect_gap}),
    "context_toxicity": Test(
        shows="false positives, raters with and without the parent",
        checks={"harmless flagged": harmless_flagged(None)},
        most={"gc": 2_000, "gn": 2_000},
    ),
    # disguised words
    "disguised": Test(
        shows="disguised words: is abuse still detected?", news=True, checks={"recall kept": disguise_kept}
    ),
    # off-topic elsewhere
    "forum_pairs": Test(
        shows="off-topic on a forum never trained on: good answers under their own and swapped questions",
        checks={"kinds of wrong article": against_each_kind},
    ),
    "thread_headlines": Test(
        shows="off-topic for Reddit replies under their own and swapped headlines, never trained on",
        checks={"kinds of wrong article": against_each_kind},
    ),
    "appropriateness": Test(
        shows="missing relevance of arguments, judged by people", checks={"any of three raters": any_rater}
    ),
    "cqa2015": Test(shows="relevance of forum answers, judged by people"),
    "cqa2017": Test(shows="relevance of forum answers, judged by people", most={"all": 4_000}),
    # stance elsewhere
    "vast_sentswap": Test(
        shows="stance with sentiment words swapped for opposites",
        news=True,
        checks={"swapped": sentiment_swapped},
    ),
    "covid_stance": Test(shows="stance of tweets"),
    "pstance": Test(shows="stance of tweets on politicians"),
    "mt_csd": Test(shows="stance of replies in threads"),
    "ruw": Test(shows="stance of tweets, noisy labels"),
}
TESTS = tuple(SUITE)[:16]


def trained_on(artifact: Artifact) -> list[SourceSpec]:
    """The sources that the artifact was trained on, as configured."""
    given = artifact.info["training"].get("config", {}).get("sources", [])
    return [SourceSpec.model_validate(spec) for spec in given]


def read_tests(artifact: Artifact, data_dir: Path, names: Iterable[str]) -> dict[str, list[Example]]:
    """The rows of each test, read with the options by which training held them out."""
    options = {spec.name: spec.options for spec in trained_on(artifact)}
    tests = {}
    for name in names:
        test = SUITE.get(name, Test(shows=""))
        rows = load([SourceSpec(name=name, options=options.get(name, {}))], data_dir, test.split)
        for part, most in test.most.items():
            inside = [row for row in rows if part in ("all", row.slice)]
            kept = draw(inside, most)
            rows = kept if part == "all" else [r for r in rows if r.slice != part] + kept
        tests[name] = rows
    return tests


def draw(rows: Sequence[T], most: int) -> list[T]:
    """At most `most` rows, in order, drawn by the evaluation's seed."""
    if len(rows) <= most:
        return list(rows)
    return [rows[i] for i in sorted(random.Random(SEED).sample(range(len(rows)), most))]

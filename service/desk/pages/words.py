"""Scores and reasons in a moderator's words: "Insult, very likely"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from parley.model.text.plain import plain_text
from parley.service.policy.rules import WORD_LIST
from parley.service.report.pieces import Piece, covered, covered_plain, cut
from parley.service.report.words import clean
from parley.service.store.desk.items import Item
from parley.service.store.desk.listing import SEARCHED, Found
from parley.service.store.desk.tables import SCORES

LABELS: Mapping[str, str] = {
    "toxicity": "Toxic",
    "severe_toxicity": "Severely toxic",
    "insult": "Insult",
    "identity_attack": "Attack on a group",
    "profanity": "Profanity",
    "threat": "Threat",
    "sexually_explicit": "Sexually explicit",
    "spam": "Spam",
    "off_topic": "Off topic",
}
LIKELY = ((0.85, "very likely"), (0.6, "likely"), (0.3, "possible"), (0.0, "unlikely"))
"""Lowest probability for each word."""
RULES: Mapping[str, str] = {
    "capitals": "Mostly capitals",
    "links": "Links",
    "repeated_characters": "Repeated characters",
    "repeated_words": "Repeated words",
    "characters": "Length of the text",
    "words": "Length of the text",
    "story_closed": "Story closed",
}
REJECTIONS: Mapping[str, str] = {
    "ABUSIVE": "Abusive",
    "OFFENSIVE": "Offensive language",
    "HARASSMENT_BULLYING": "Harassment or bullying",
    "HATE_SPEECH": "Hate speech",
    "SPAM": "Spam",
    "AD": "Advertising",
    "IRRELEVANT_CONTENT": "Off topic",
    "MISINFORMATION": "Misinformation",
    "ILLEGAL_CONTENT": "Illegal content",
    "BANNED_WORD": "Banned word",
    "OTHER": "Another reason",
}
"""Coral's rejection codes (the DSA's categories), in the order in which the desk offers them."""
SUGGESTED: Mapping[str, str] = {
    "toxicity": "ABUSIVE",
    "severe_toxicity": "ABUSIVE",
    "insult": "ABUSIVE",
    "identity_attack": "HATE_SPEECH",
    "profanity": "OFFENSIVE",
    "threat": "HARASSMENT_BULLYING",
    "sexually_explicit": "OFFENSIVE",
    "spam": "SPAM",
    "links": "SPAM",
    "off_topic": "IRRELEVANT_CONTENT",
}
"""The rejection that a label suggests, as sent to Coral."""
STANCES: Mapping[str, str] = {
    "favor": "in favour of",
    "against": "against",
    "none": "neither for nor against",
}
FIRST: Mapping[str, str] = {"need": "most urgent", "newest": "newest", "oldest": "oldest"}
"""What comes first in each order."""
STATES: Mapping[str, str] = {
    "waiting": "Waiting",
    "escalated": "Escalated",
    "approved": "Approved",
    "rejected": "Rejected",
}
SOURCE = 20
"""Characters read per character shown: a list of long comments must not take seconds."""
_LINK = re.compile(r"https?://[^\s<>\"'\u200b]{3,500}")


@dataclass(frozen=True, slots=True)
class Bar:
    """A score as a bar from 0 to 100, with the policy's threshold as a tick."""

    label: str
    words: str
    percent: int | None
    tick: int | None


def likelihood(score: float) -> str:
    """A probability in words."""
    return next(words for least, words in LIKELY if score >= least)


def label_words(label: str | None) -> str:
    """A label, or a rule's code, for people."""
    if label is None:
        return "Not marked"
    return LABELS.get(label) or RULES.get(label) or label.replace("_", " ").capitalize()


def reason_words(reason: Mapping[str, Any]) -> str:
    """A reason for people: the rule author's words if there are any, else "Insult, very likely"."""
    when, detail = str(reason.get("when") or ""), str(reason.get("detail") or "")
    score = reason.get("score")
    own_words = not detail.startswith(f"{when} ")
    label = when.removeprefix("abuse.")
    if label in LABELS and isinstance(score, int | float):
        said = f"{LABELS[label]}, {likelihood(float(score))}"
        return f"{said}: {detail}" if own_words and detail else said
    if own_words and detail:
        return detail
    if when.startswith(WORD_LIST):
        entries = detail.partition("): ")[2]
        return f"On the word list {when.removeprefix(WORD_LIST)}" + (f": {entries}" if entries else "")
    if when == "capitals" and isinstance(score, int | float):
        return f"{round(100 * score)} % capitals"
    if when in RULES and isinstance(score, int | float):
        return f"{RULES[when]}: {score:g}"
    return label_words(str(reason.get("code") or "other"))


def rules_broken(reasons: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the site's rules that a comment breaks."""
    return list(dict.fromkeys(str(reason.get("code", "")).replace("_", " ") for reason in reasons))


def stance_words(item: Item) -> str | None:
    """The side that the comment takes, if it was judged."""
    stance = item.found.get("stance")
    if not stance:
        return None
    if stance["label"] is None:
        return f"unsure which side on “{stance['target']}”"
    side, target = STANCES.get(stance["label"], stance["label"]), stance["target"]
    how = likelihood(float(stance.get(stance["label"]) or 0.0))
    return f"{side} “{target}”, {how}"


def bars(item: Item, thresholds: Mapping[str, float]) -> list[Bar]:
    """Every score as a bar."""
    return [
        Bar(
            label=LABELS[name],
            words="not judged" if score is None else likelihood(score),
            percent=None if score is None else round(100 * score),
            tick=round(100 * thresholds[name]) if name in thresholds else None,
        )
        for name, score in item.scores.items()
    ]


def pieces(item: Item) -> list[Piece]:
    """The comment as its readers see it, split at its toxic spans."""
    plain = plain_text(item.text, item.format)  # type: ignore[arg-type]
    return cut(plain.text, covered_plain(plain, covered(item.text, item.found.get("spans", ()))))


def shown(item: Item, *, length: int | None = None) -> str:
    """The comment's text without marks, cut to `length` if given."""
    source = item.text if length is None else item.text[: SOURCE * length]
    text = clean(plain_text(source, item.format).text)  # type: ignore[arg-type]
    return text if length is None or len(text) <= length else f"{text[: length - 1].rstrip()}…"


def links(item: Item) -> list[str]:
    """Addresses in the text, at most twenty; a page shows them only on request."""
    return list(dict.fromkeys(_LINK.findall(shown(item))))[:20]


def safe_url(url: str | None) -> str | None:
    """The address if it is http or https; a browser may follow no other."""
    return url if url and re.match(r"https?://[^/\s]", url) else None


def pseudonym(author: str | None) -> str:
    """A stable name for a keyed hash."""
    return f"Reader {author[:6]}" if author else "Unknown author"


def suggested(item: Item) -> str:
    """The rejection that the first reason suggests."""
    return SUGGESTED.get(item.label or "", "OTHER" if item.found.get("reasons") else "ABUSIVE")


def among(found: Found, sort: str, *, first: bool) -> str:
    """Which comments a search read, if not all; `first` if it began with the first one."""
    if first:
        return "" if found.whole else f", among the {SEARCHED:,} {FIRST[sort]}"
    return ", among the rest" if found.whole else f", among the next {SEARCHED:,}"


def ago(moment: datetime) -> str:
    """The time since, in the largest unit."""
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = seconds // size
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"


assert set(LABELS) == set(SCORES)

"""The context that a comment is compared with: the parts of a pair row, phrased as in training.

    pair_context("closing the bridge", "Council votes on the bridge\nThe bridge may close in May.")
    (Part("closing the bridge is good.", 40), Part("Council votes on the bridge\nThe bridge may ...", 56))

Stance is posed as entailment: does the comment say that the target is good? A target that is already a
sentence (a claim, a question) stays unchanged. One row answers both stance and off-topic.
"""

from __future__ import annotations

from dataclasses import dataclass

TARGET_TOKENS, ARTICLE_TOKENS, PARENT_TOKENS = 40, 56, 62
"""The most tokens read of each; the rest of the row is for the comment. An article's cover its title and most
of its lede: comments often refer to what only the lede says."""
_SENTENCE_ENDS = (".", "!", "?", '"')


@dataclass(frozen=True, slots=True)
class Part:
    """A text in a context, and how many of its tokens are read."""

    text: str
    tokens: int


Context = tuple[Part, ...]


def hypothesis(target: str) -> str:
    """The sentence that a comment in favor of `target` entails and one against it contradicts."""
    target = target.strip()
    return target if not target or target.endswith(_SENTENCE_ENDS) else f"{target} is good."


def pair_context(target: str | None, article: str | None) -> Context:
    """The context for stance and off-topic: a target, an article (title and text) or both; () for neither.

    Without a target, the article serves as the target, unchanged.
    """
    parts = (Part(hypothesis(target), TARGET_TOKENS),) if target else ()
    return (*parts, Part(article, ARTICLE_TOKENS)) if article else parts


def reply_context(parent: str) -> Context:
    """The context for a reply: its parent's text."""
    return (Part(parent, PARENT_TOKENS),)

"""The sources of training examples: one reader per corpus, found by name.

    python -m parley.training.data --data-dir ../shared/data    # every source: rows, labels, licence

A new source is a reader with the `@source` decorator in a module imported here.
"""

from parley.training.data.augmentation import disguise
from parley.training.data.registry import SOURCES, SPLITS, Corpus, Split, get, read
from parley.training.data.sources import (
    checks,
    claims,
    entailment,
    forums,
    hate,
    news,
    relevance,
    room_for_debate,
    spam,
    stories,
    tweets,
    wikipedia,
)
from parley.training.data.sources.discussions import replies, threads, titles

REGISTERED = (
    checks,
    claims,
    disguise,
    entailment,
    forums,
    hate,
    news,
    relevance,
    replies,
    room_for_debate,
    spam,
    stories,
    threads,
    titles,
    tweets,
    wikipedia,
)
"""The modules that register sources on import."""

__all__ = ["REGISTERED", "SOURCES", "SPLITS", "Corpus", "Split", "get", "read"]

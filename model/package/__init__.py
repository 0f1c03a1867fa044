"""Parley labels reader comments under news articles for abuse, off-topic and stance.

    import parley

    model = parley.load()
    model.predict("What nonsense.", article="Council votes to close Old Mill Bridge to cars")

docs/python.md describes lists, tables and results. The build puts this file at the top of the installed
package (docs/decisions/0011-one-package.md).
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parley.model.api import Model, load
    from parley.model.comment import Article, Comment, Parent, Prediction, Span, Stance

__all__ = ["Article", "Comment", "Model", "Parent", "Prediction", "Span", "Stance", "load"]

DISTRIBUTION = "parley-moderation"
"""The name on PyPI; `parley` there is another project."""

__version__ = version(DISTRIBUTION)


def __getattr__(name: str) -> Any:
    """Import the model, and with it the engine, on first use: the command line starts without them."""
    if name in ("Model", "load"):
        from parley.model import api

        return getattr(api, name)
    if name in __all__:
        import parley.model

        return getattr(parley.model, name)
    if name in ("predict", "score", "classify"):
        raise AttributeError(f"parley has no {name!r}: load a model first, parley.load().predict(...)")
    raise AttributeError(f"module 'parley' has no attribute {name!r}; it has {', '.join(__all__)}")

"""Parley labels reader comments under news articles for abuse, off-topic and stance.

The build puts this file at the top of the installed package (docs/decisions/0011-one-package.md).
"""

from importlib.metadata import version

DISTRIBUTION = "parley-moderation"
"""The name on PyPI; `parley` there is another project."""

__version__ = version(DISTRIBUTION)

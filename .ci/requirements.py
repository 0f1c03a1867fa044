"""Print pyproject.toml's requirements for pip, which can't check hashes when it installs a folder.

    python .ci/requirements.py dumps report        the dependencies and those of two extras

An extra that names extras of the project itself includes theirs.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path


def required(project: dict, extras: Iterable[str]) -> Iterator[str]:
    """The requirements of `extras`, including those of the extras that they name."""
    for extra in extras:
        for line in project["optional-dependencies"][extra]:
            own = re.fullmatch(rf"{re.escape(project['name'])}\[(.+)\]", line)
            if own:
                yield from required(project, own[1].split(","))
            else:
                yield line


if __name__ == "__main__":
    pyproject = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    print("\n".join(dict.fromkeys([*project["dependencies"], *required(project, sys.argv[1:])])))

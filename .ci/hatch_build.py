"""Hatch's build hook, which makes one package, `parley`, of the repository's folders.

`sources` in pyproject.toml puts the folders into a wheel, and this hook adds the files of `model/package`. An
editable install gets a folder of links, `build/import/parley`, which is on the path: Python, mypy and editors
read the checkout through it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TOP = "model/package"


class PackageHook(BuildHookInterface):  # type: ignore[type-arg]
    """Puts the files of `TOP` at the top of the package; for a checkout, links them and the folders."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files of `TOP` to a wheel; for an editable install, make the folder of links."""
        root = Path(self.root)
        files = {file: file.name for file in (root / TOP).iterdir() if file.is_file()}
        if version != "editable":
            build_data["force_include"] |= {str(file): name for file, name in files.items()}
            return
        folders = {root / folder: folder for folder in self.build_config.target_config["only-include"]}
        (path,) = self.build_config.target_config["dev-mode-dirs"]
        shutil.rmtree(root / path, ignore_errors=True)
        package = root / path / "parley"
        package.mkdir(parents=True)
        for source, name in (files | folders).items():
            (package / name).symlink_to(os.path.relpath(source, package))

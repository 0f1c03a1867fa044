"""Writes the small JSON files of runs and artifacts, atomically."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any


def write_json(file: Path, values: Any) -> None:
    """Write `values` as JSON; `file` is replaced only once all is written."""
    temporary = file.with_suffix(".part")
    temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    shutil.move(temporary, file)

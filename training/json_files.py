"""Small JSON files of a run and an artifact: written so that a reader finds all of one or none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any


def write_json(file: Path, values: Any) -> None:
    """Writes values as JSON, all or nothing."""
    temporary = file.with_suffix(".part")
    temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    shutil.move(temporary, file)

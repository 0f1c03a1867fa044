"""The errors for a folder that isn't a complete artifact."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from parley.model import Artifact, ArtifactError, Classifier


@pytest.fixture
def copy(tiny_artifact: Path, tmp_path: Path) -> Artifact:
    """A copy of the tiny artifact to break."""
    return Artifact(Path(shutil.copytree(tiny_artifact, tmp_path / "copy")))


def test_a_whole_artifact_opens(copy: Artifact) -> None:
    info = Artifact.open(copy.path).info
    assert (info["name"], info["max_tokens"]) == ("tiny", 96)
    assert set(Classifier.load(str(copy.path)).thresholds) >= {"toxicity", "spam", "off_topic", "span"}


def test_a_missing_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"nowhere is not a folder: .*parley train"):
        Classifier.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "name", ["comments.onnx", "pairs.onnx", "tokenizer.json", "calibration.json", "thresholds.json"]
)
def test_a_missing_file_is_named(copy: Artifact, name: str) -> None:
    (copy.path / name).unlink()
    with pytest.raises(ArtifactError, match=rf"is incomplete: {name} missing"):
        Artifact.open(copy.path)


def test_another_format_is_refused(copy: Artifact) -> None:
    copy.info_file.write_text(json.dumps({"format": 99}))
    with pytest.raises(ArtifactError, match="has format 99, and this version of Parley reads format 3"):
        Artifact.open(copy.path)


def test_an_older_artifact_can_be_trained_from_but_not_served(copy: Artifact) -> None:
    copy.info_file.write_text(json.dumps(copy.info | {"format": 2}))
    with pytest.raises(ArtifactError, match=r"has format 2.* give it to `parley train` as the base"):
        Classifier.load(copy.path)
    assert Artifact.open(copy.path, older=True) == copy


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[1]"])
def test_a_file_that_is_not_a_json_object_is_named(copy: Artifact, content: bytes) -> None:
    copy.thresholds_file.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"thresholds\.json .*copy the artifact again"):
        Classifier.load(copy.path)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("artifact.json", "max_tokens"),
        ("thresholds.json", "span"),
        ("thresholds.json", "stance"),
        ("calibration.json", "reply"),
    ],
)
def test_a_missing_key_is_named(copy: Artifact, name: str, key: str) -> None:
    file = copy.path / name
    values = json.loads(file.read_text())
    del values[key]
    file.write_text(json.dumps(values))
    with pytest.raises(ArtifactError, match=f"lacks '{key}'; copy the artifact again"):
        Classifier.load(copy.path)

"""The wheel holds what serving needs and nothing beside it; `make wheel-check` also installs and asks it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from parley.model.artifact import DEFAULT

ROOT = Path(__file__).parent.parent
PACKAGES = ("model", "service", "training", "configs")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("parley-*.whl")))


def test_wheel_holds_every_module_and_configuration(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for package in PACKAGES:
        files = [
            f for suffix in ("py", "yaml", "html", "css", "js") for f in (ROOT / package).rglob(f"*.{suffix}")
        ]
        missing = {str(f.relative_to(ROOT)) for f in files} - names
        assert not missing


def test_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} <= set(PACKAGES)
    assert not {
        n for n in wheel.namelist() if "__pycache__" in n or "/data/" in n or n.endswith(".safetensors")
    }


def test_wheel_holds_the_trained_artifact(wheel: zipfile.ZipFile) -> None:
    if not DEFAULT.is_dir():
        pytest.skip("no trained artifact in this checkout")
    inside = {Path(n).name for n in wheel.namelist() if n.startswith("model/artifacts/parley-minilm/")}
    assert {"artifact.json", "model.onnx", "tokenizer.json", "calibration.json", "thresholds.json"} <= inside
    assert {"evaluation.json", "README.md"} <= inside


def test_wheel_declares_commands_and_licence_and_no_torch(wheel: zipfile.ZipFile) -> None:
    folder = next(n.split("/")[0] for n in wheel.namelist() if ".dist-info/" in n)
    entry_points = wheel.read(f"{folder}/entry_points.txt").decode()
    assert "parley = parley.service.commands.cli:main" in entry_points
    assert "[parley.commands]" in entry_points
    assert "Apache License" in wheel.read(f"{folder}/licenses/LICENSE").decode()
    needs = [
        line
        for line in wheel.read(f"{folder}/METADATA").decode().splitlines()
        if line.startswith("Requires-Dist:")
    ]
    always = [line for line in needs if "extra ==" not in line]
    assert any("onnxruntime" in line for line in always)
    assert not any(
        name in line for line in always for name in ("torch", "transformers", "datasets", "pyarrow")
    )

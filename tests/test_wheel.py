"""The wheel has one package with what serving needs, and nothing else; `make wheel-check` installs it."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from parley.model.artifact import DEFAULT, Artifact

ROOT = Path(__file__).parent.parent
TOP = ROOT / "model" / "package"
PACKAGES = ("model", "service", "training", "configs")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("parley_moderation-*.whl")))


def test_wheel_holds_every_module_and_configuration(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for package in PACKAGES:
        files = [
            f for suffix in ("py", "yaml", "html", "css", "js") for f in (ROOT / package).rglob(f"*.{suffix}")
        ]
        missing = {f"parley/{f.relative_to(ROOT)}" for f in files if f.parent != TOP} - names
        assert not missing


def test_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"parley"}
    inside = {name.split("/")[1] for name in wheel.namelist() if name.startswith("parley/")}
    assert inside == {*PACKAGES, *(file.name for file in TOP.iterdir() if file.is_file())}
    assert "py.typed" in inside
    assert not [name for name in wheel.namelist() if name.startswith("parley/model/package")]
    assert not {n for n in wheel.namelist() if "__pycache__" in n or n.endswith((".safetensors", ".jsonl"))}
    for corpus in ("stories", "cases"):
        assert not [n for n in wheel.namelist() if n.startswith(f"parley/training/data/{corpus}/")]


def test_wheel_holds_the_trained_artifact(wheel: zipfile.ZipFile) -> None:
    if not DEFAULT.is_dir():
        pytest.skip("no trained artifact in this checkout")
    inside = {Path(n).name for n in wheel.namelist() if n.startswith("parley/model/artifacts/parley-minilm/")}
    assert {file.name for file in Artifact(DEFAULT).served_files} <= inside
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


def test_users_code_is_type_checked_against_the_wheel(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """Checked as installed: mypy reads a package's annotations only if it has `py.typed`."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    wheel.extractall(next((tmp_path / "venv" / "lib").glob("python*/site-packages")))
    script = tmp_path / "script.py"
    script.write_text(
        "import parley\n"
        "from parley.model import Classifier, Comment\n"
        "classifier = Classifier.load()\n"
        "reveal_type(classifier.predict([Comment(text='Well said.')])[0].spam)\n"
        "model = parley.load()\n"
        "reveal_type(model.predict('a'))\n"
        "reveal_type(model.predict(['a']))\n"
    )
    python = tmp_path / "venv" / "bin" / "python"
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python), "--config-file", ""]
    done = subprocess.run([*mypy, str(script)], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    one, *rows = re.findall(r'Revealed type is "(.+)"', done.stdout.replace("builtins.", ""))
    assert one == "float"
    assert rows == ["parley.model.comment.Prediction", "list[parley.model.comment.Prediction]"]

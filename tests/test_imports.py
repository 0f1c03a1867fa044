"""Who may import whom: model imports nothing of ours, service and training import model, never each other.

Serving is checked the hard way as well: in a fresh interpreter where torch and its company can't be imported.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"model", "service", "training", "tests", "benchmarks", "docs"}
MAY_IMPORT = {"model": {"model"}, "service": {"service", "model"}, "training": {"training", "model"}}
NOT_FOR: dict[str, set[str] | None] = {
    "model": None,
    "service": {"train", "dev"},
    "training": {"cluster", "dev"},
}
"""The extras that each package may not count on; None for all of them."""

NOT_SERVED = {"torch", "transformers", "tokenizers", "huggingface_hub", "datasets", "accelerate", "sklearn"}
NOT_SERVED |= {"onnx", "safetensors"}
OPTIONAL = {"pyarrow", "ray", "httpx", "trafilatura", "pg8000", "ijson", "zstandard", "plotly"}


def imports(module: Path) -> set[str]:
    """Top-level names of everything that the module imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


def modules(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, f"no module in {package}/"
    return found


def declared(package: str) -> set[str]:
    """Names of the distributions that pyproject.toml lets the package need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    barred = set(extras) if NOT_FOR[package] is None else NOT_FOR[package]
    wanted = [*project["dependencies"], *(d for extra in set(extras) - barred for d in extras[extra])]
    # pydantic pins its core exactly, and documents it as its own
    return {"pydantic-core", *(normal(re.split(r"[^\w.-]", requirement)[0]) for requirement in wanted)}


def normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_import_direction(package: str) -> None:
    for module in modules(package):
        wrong = (imports(module) & OURS) - MAY_IMPORT[package]
        assert not wrong, (
            f"{module.relative_to(ROOT)} imports {wrong}; {package} may not (see docs/decisions)"
        )


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_every_library_is_declared(package: str) -> None:
    """What is installed only through another package or the dev extra fails on a user's machine."""
    distributions = packages_distributions()
    known = declared(package)
    for module in modules(package):
        for name in imports(module) - OURS - set(sys.stdlib_module_names):
            found = {normal(d) for d in distributions.get(name, [name])}
            assert found & known, (
                f"{module.relative_to(ROOT)} imports {name}: declare one of {found} in pyproject.toml"
            )


def run_without(blocked: set[str], code: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter in which importing any of `blocked` raises ModuleNotFoundError."""
    block = f"import sys; sys.modules.update(dict.fromkeys({sorted(blocked)!r}))\n"
    command = [sys.executable, "-c", block + code]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)


def test_model_and_service_import_without_extras() -> None:
    files = [
        m.relative_to(ROOT).with_suffix("") for package in ("model", "service") for m in modules(package)
    ]
    scripts = {"__main__", "env"}  # env.py is run by Alembic, never imported
    names = [".".join(f.parts).removesuffix(".__init__") for f in files if f.name not in scripts]
    done = run_without(
        NOT_SERVED | OPTIONAL, f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["", "serve", "score", "report", "train", "evaluate"])
def test_help_works_without_extras(command: str) -> None:
    arguments = ["parley", *command.split(), "--help"]
    done = run_without(
        NOT_SERVED | OPTIONAL,
        f"sys.argv = {arguments!r}\nfrom parley.service.commands.cli import main\nmain()",
    )
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_a_blocked_import_is_noticed() -> None:
    assert "ModuleNotFoundError" in run_without({"torch"}, "import torch").stderr

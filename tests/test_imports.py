"""Who may import whom: model imports nothing of ours, service and training import model, never each other.

Inside these two, `SUBPACKAGES` says which subpackage may import which; there are no import cycles. Serving is
also checked for real: in a fresh interpreter where torch and the like can't be imported.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("model", "service", "training")
OURS = {"parley", "tests", "benchmarks", "docs"}
MAY_IMPORT = {"model": {"model"}, "service": {"service", "model"}, "training": {"training", "model"}}
"""What each package may import of `parley`; a test below forbids the folders' bare names."""

SUBPACKAGES = {
    "service": set(),
    "service.policy": {"dumps.reading"},
    "service.settings": {"policy"},
    "service.store": {"store.desk"},
    "service.store.desk": {"store"},
    "service.articles": {"store", "store.desk"},
    "service.web": {"protocols", "articles", "desk", "policy", "settings", "store", "store.desk"},
    "service.protocols": {"web", "policy", "store", "store.desk"},
    "service.desk": {"web", "protocols", "policy", "settings", "store", "store.desk", "report"}
    | {"dumps.reading", "dumps.formats"},
    "service.dumps.reading": set(),
    "service.dumps.formats": {"dumps.reading"},
    "service.dumps.scoring": {"dumps.reading", "dumps.formats", "policy"},
    "service.dumps.cluster": {"dumps.reading", "dumps.formats", "dumps.scoring"},
    "service.report": {"dumps.reading", "dumps.formats", "policy"},
    "service.doctor": {"web", "policy", "settings", "store"},
    "service.commands": {"web", "dumps.reading", "dumps.formats", "dumps.scoring", "dumps.cluster"}
    | {"policy", "settings", "store", "store.desk", "report", "doctor"},
    "training": {"data", "network", "fit", "evaluation"},
    "training.pack": {"data", "fit", "network", "evaluation"},
    "training.data": set(),
    "training.network": set(),
    "training.fit": {"data", "network", "evaluation"},
    "training.evaluation": {"data", "network", "fit"},
}
"""What each may import besides itself and the modules outside all subpackages (errors, urls, ...)."""
MOST_FILES = 12
"""Most modules in a folder, without `__init__` and `__main__`, so that a newcomer finds one by its name."""

NOT_FOR: dict[str, set[str] | None] = {
    "model": None,
    "service": {"train", "dev"},
    "training": {"cluster", "dev"},
}
"""The extras that each package may not rely on; None for all of them."""

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
    """Names of the distributions that the package may rely on, by pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    unreliable = NOT_FOR[package]
    barred = set(extras) if unreliable is None else unreliable
    wanted = [*project["dependencies"], *(d for extra in set(extras) - barred for d in extras[extra])]
    # pydantic pins its core exactly, and documents it as part of itself
    return {"pydantic-core", *(normal(re.split(r"[^\w.-]", requirement)[0]) for requirement in wanted)}


def normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def name_of(module: Path) -> str:
    """The module's dotted name, as it is imported."""
    parts = module.relative_to(ROOT).with_suffix("").parts
    return ".".join(("parley", *parts)).removesuffix(".__init__")


TOP = ROOT / "model" / "package"
"""What the build puts at the top of `parley`; it must not be imported from here."""
NAMES = {name_of(file): file for folder in PACKAGES for file in modules(folder) if file.parent != TOP}


def imported(module: Path) -> Iterator[str]:
    """Our own modules that the module imports, including inside functions and for type checkers."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in NAMES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if (name := inner if inner in NAMES else node.module) in NAMES:
                    yield name


def subpackage_of(name: str) -> str:
    """The entry of `SUBPACKAGES` that has the module: `service.protocols` for `...perspective.spans`."""
    folder = NAMES[name].parent.relative_to(ROOT).parts
    above = (".".join(folder[:end]) for end in range(len(folder), 0, -1))
    return next(package for package in above if package in SUBPACKAGES)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_import_direction(package: str) -> None:
    for module in modules(package):
        wrong = {name for name in imported(module) if name.split(".")[1] not in MAY_IMPORT[package]}
        wrong |= imports(module) & (OURS - {"parley"})
        assert not wrong, (
            f"{module.relative_to(ROOT)} imports {wrong}; {package} may not (see docs/decisions)"
        )


@pytest.mark.parametrize("subpackage", SUBPACKAGES)
def test_import_direction_between_subpackages(subpackage: str) -> None:
    package = subpackage.split(".")[0]
    allowed = {"model", package, subpackage, *(f"{package}.{other}" for other in SUBPACKAGES[subpackage])}
    inside = [name for name in NAMES if name.split(".")[1] != "model" and subpackage_of(name) == subpackage]
    assert inside, f"there is no subpackage {subpackage}"
    for name in inside:
        for other in imported(NAMES[name]):
            reached = "model" if other.split(".")[1] == "model" else subpackage_of(other)
            assert reached in allowed, f"{name} imports {other}; {subpackage} may import {sorted(allowed)}"


def test_there_are_no_import_cycles() -> None:
    try:
        TopologicalSorter({name: {*imported(file)} - {name} for name, file in NAMES.items()}).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


@pytest.mark.parametrize("folder", ["model", "service", "training", "benchmarks", "tests", "docs", ".ci"])
def test_ours_is_imported_as_parley(folder: str) -> None:
    """In a checkout `import model` would work too, and make a second copy of every class."""
    for module in (ROOT / folder).rglob("*.py"):
        if "node_modules" not in module.parts:
            assert not imports(module) & {*PACKAGES, "configs"}, module.relative_to(ROOT)
            assert "parley.model.package" not in module.read_text(encoding="utf-8") or module == Path(
                __file__
            )


def test_subpackages_are_small() -> None:
    for folder in {module.parent for module in NAMES.values()}:
        files = [file for file in folder.glob("*.py") if file.name not in ("__init__.py", "__main__.py")]
        assert len(files) <= MOST_FILES, (
            f"{folder.relative_to(ROOT)} has {len(files)} modules, more than {MOST_FILES}"
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
    scripts = {"__main__", "env"}  # env.py is run by Alembic, never imported
    files = {name: file for name, file in NAMES.items() if not name.startswith("parley.training")}
    names = ["parley", *(name for name, file in files.items() if file.stem not in scripts)]
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

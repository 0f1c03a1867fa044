"""constraints.txt pins everything that pyproject.toml needs, with hashes, and they are enforced."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]


def locked() -> dict[str, list[str]]:
    """The hashes by package."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = {}
    for line in lines:
        pinned = re.match(r"([a-z0-9-]+)==\S+ ", line)
        assert pinned, line
        found[pinned[1]] = re.findall(r"--hash=sha256:([0-9a-f]{64})\b", line)
    return found


def required(*extras: str) -> list[str]:
    command = [sys.executable, str(ROOT / ".ci" / "requirements.py"), *extras]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def test_each_package_has_hashes() -> None:
    assert len(locked()) > 150
    assert not [package for package, hashes in locked().items() if not hashes]


@pytest.mark.parametrize("extra", EXTRAS)
def test_everything_required_is_locked(extra: str) -> None:
    assert {*map(name, required(extra))} <= {*locked()}


def test_extras_in_extras_are_included() -> None:
    assert {*PROJECT["project"]["dependencies"], *EXTRAS["tables"], *EXTRAS["train"]} <= {*required("dev")}
    assert not [line for line in required("dev") if line.startswith("parley")]


def test_the_build_backend_is_locked() -> None:
    assert {*map(name, PROJECT["build-system"]["requires"])} <= {*locked()}


@pytest.mark.parametrize(
    "file", ["Makefile", "deploy/Containerfile", "deploy/systemd/install", "benchmarks/wheel.py"]
)
def test_hashes_are_required_wherever_constraints_are_used(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8").replace("\\\n", " ").replace('", "', " ")
    uses = [line for line in text.splitlines() if re.search(r"--constraint\b", line) and "#" not in line[:2]]
    assert uses
    assert not [line for line in uses if "--require-hashes" not in line]

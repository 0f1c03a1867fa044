"""Installs a wheel into an empty environment, then scores and serves one comment from a user's folder.

The folder holds the user's own `model.py`, `service.py`, `training.py` and `configs/`, which must not clash
with the installed package.

make wheel-check          (or: python -m benchmarks.wheel dist/parley_moderation-0.1.0-py3-none-any.whl)
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.server import ask, free_port, served

ROOT = Path(__file__).parent.parent
NOT_SERVED = {"torch", "transformers", "tokenizers", "huggingface_hub", "datasets", "pyarrow"}


def install(wheel: Path, folder: Path) -> int:
    """Create a virtual environment with the wheel and the packages of constraints.txt, hashes checked.

    Returns the bytes added to the empty environment, which already has pip.
    """
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    empty = size(folder)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    needed = folder / "requirements.txt"
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    # First a current pip: older ones don't take hashes from constraints.
    for line in (
        re.search(r"^pip==(?:.*\\\n)*.*", constraints, re.MULTILINE)[0],  # type: ignore[index]
        f"{wheel.resolve()} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}",
    ):
        needed.write_text(f"{line}\n", encoding="utf-8")
        hashes = ["--require-hashes", "--constraint", str(ROOT / "constraints.txt"), "--requirement"]
        subprocess.run([*pip, *hashes, str(needed)], check=True)
    return size(folder) - empty


def size(folder: Path) -> int:
    """The bytes of all files under the folder, compiled Python included."""
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_symlink())


def new_names(environment: Path, before: set[str]) -> set[str]:
    """The top-level names in the environment's site-packages that are not in `before`."""
    return {entry.name for entry in site_packages(environment).iterdir()} - before


def site_packages(environment: Path) -> Path:
    """The environment's folder of installed packages."""
    return next((environment / "lib").glob("python*/site-packages"))


def check_package(environment: Path, wheel: Path) -> None:
    """Install the wheel alone. Raises RuntimeError if it adds a top-level name other than `parley`."""
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    before = {entry.name for entry in site_packages(environment).iterdir()}
    pip = [str(environment / "bin" / "pip"), "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(pip, check=True)
    new = {name for name in new_names(environment, before) if not name.endswith(".dist-info")}
    if new != {"parley"}:
        raise RuntimeError(f"the wheel puts {sorted(new)} into site-packages")


def put_users_files(folder: Path) -> None:
    """Write user files with the names of our folders; importing one of them fails."""
    for name in ("model", "service", "training"):
        (folder / f"{name}.py").write_text("raise RuntimeError(__file__)\n")
    (folder / "configs").mkdir()
    (folder / "configs" / "service.yaml").write_text("ours: none\n")


def check(wheel: Path) -> None:
    """Raises RuntimeError if the wheel alone can't serve or installs what only training needs."""
    with tempfile.TemporaryDirectory() as folder:
        check_package(Path(folder) / "alone", wheel)
        users = Path(folder) / "users"
        users.mkdir()
        put_users_files(users)
        environment = Path(folder) / "venv"
        megabytes = install(wheel, environment) / 1e6
        binaries = environment / "bin"
        frozen = subprocess.run(
            [binaries / "pip", "freeze"], check=True, capture_output=True, text=True
        ).stdout
        extra = NOT_SERVED & {line.split("==")[0].lower() for line in frozen.splitlines()}
        if extra:
            raise RuntimeError(f"serving installed {sorted(extra)}")
        print(f"installed: {megabytes:.0f} MB in {len(frozen.splitlines())} packages")
        there = {file.name for file in users.rglob("*")}
        subprocess.run([binaries / "python", "-c", "import parley, parley.model"], check=True, cwd=users)
        lines = '{"text": "Well said."}\n'
        score = [str(binaries / "parley"), "score", "-", "-o", "-", "--quiet"]
        done = subprocess.run(score, check=True, cwd=users, input=lines, capture_output=True, text=True)
        scored = json.loads(done.stdout)
        print(f"scored from the wheel: toxicity {scored['abuse']['toxicity']:.2f}")
        port = free_port()
        with served([str(binaries / "parley"), "serve", "--port", str(port)], port, cwd=users, patience=120):
            result = ask(port)["results"][0]
        left = {file.name for file in users.rglob("*")} - there
        if left:
            raise RuntimeError(f"serving left files behind in the folder it ran in: {left}")
        print(f"served from the wheel: toxicity {result['abuse']['toxicity']:.2f}")


def main() -> None:
    """Run it from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path)
    check(parser.parse_args().wheel.resolve(strict=True))


if __name__ == "__main__":
    main()

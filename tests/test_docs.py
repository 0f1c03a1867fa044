"""The docs name only what exists: commands, options, make targets, routes, settings, error codes, links.

tests/test_readme.py checks the answers that the README shows.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from typer.main import get_command

from parley.model.notes import Note
from parley.service.commands.cli import add_plugins
from parley.service.commands.cli import app as parley
from parley.service.dumps.formats.registry import INPUTS
from parley.service.errors import STATUS, Problem
from parley.service.metrics import Metrics
from parley.service.policy.decision import CLOSED, Policy, shipped
from parley.service.policy.rules import SCORES
from parley.service.protocols.coral import RejectionCode
from parley.service.settings.schema import Settings
from parley.service.web.app import create_app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
CARDS = sorted((ROOT / "model").rglob("*.md"))


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(text: str, *languages: str) -> Iterator[str]:
    """Fenced code blocks of these languages, continuation lines joined."""
    for language, body in re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if language in languages:
            yield body.replace("\\\n", " ")


def documentation() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))


def shell_lines(text: str) -> Iterator[str]:
    for block in blocks(text, "sh", "bash", "console"):
        for line in block.splitlines():
            yield line.removeprefix("$ ").strip()


def commands(text: str, program: str) -> Iterator[list[str]]:
    """The arguments of each call of `program` in shell blocks and inline code, piped and chained ones too."""
    inline = re.findall(rf"`({program} [^`…]+)`", text)
    for line in [*shell_lines(text), *inline]:
        if program not in line:
            continue
        words = shlex.split(line, comments=True)
        call: list[str] = []
        for word in [*words, ";"]:
            if word in {"&&", "||", "|", "&", ";", ">"}:
                while call and re.fullmatch(r"[A-Z_]+=.*|sudo|exec|nohup", call[0]):
                    call = call[1:]
                if call and Path(call[0]).name == program:
                    yield call[1:]
                call = []
            else:
                call.append(word)


def parse(arguments: list[str]) -> None:
    """Parse a `parley` command line down to its last sub-command; raises the parser's own error.

    A command with options alone is a mention: it needs no arguments.
    """
    command: Any = get_command(parley)
    name, rest, context = "parley", arguments, None
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        context = command.make_context(name, list(rest), parent=context)
        name, *rest = rest
        assert name in command.commands, f"there is no command {name!r}, only {sorted(command.commands)}"
        command = command.commands[name]
    if rest and not {"--help", "-h"} & set(rest):
        mention = all(word.startswith("-") for word in rest)
        try:
            command.make_context(name, rest, parent=context)
        except Exception as error:
            if not (mention and type(error).__name__ == "MissingParameter"):
                raise


@pytest.fixture(scope="module", autouse=True)
def whole_command_line() -> None:
    add_plugins(parley)


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    return create_app(Settings()).openapi()


@pytest.mark.parametrize("page", [*PAGES, *CARDS], ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    for arguments in commands(page.read_text(encoding="utf-8"), "parley"):
        try:
            parse(arguments)
        except Exception as error:
            pytest.fail(f"parley {shlex.join(arguments)}: {getattr(error, 'message', error)}")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_make_targets_exist(page: Path) -> None:
    known = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    for arguments in commands(page.read_text(encoding="utf-8"), "make"):
        targets = {word for word in arguments if "=" not in word and not word.startswith("-")}
        assert targets <= known, f"make {shlex.join(arguments)}"


def test_readme_names_every_command_and_target() -> None:
    readme = read("README.md")
    for name in get_command(parley).commands:  # type: ignore[attr-defined]
        assert f"parley {name}" in readme
    documented = re.findall(r"^([a-z-]+):.*## ", read("Makefile"), re.MULTILINE)
    targets = [name for name in documented if name not in {"install", "install-dev", "help"}]
    assert targets
    for name in targets:
        assert f"make {name}" in readme, f"`make {name}` is not in the README"


def test_every_documented_route_exists(openapi: dict[str, Any]) -> None:
    """Our own addresses; others in the pages belong to other programs."""
    known = [
        (method.upper(), re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))
        for path, methods in openapi["paths"].items()
        for method in methods
    ]
    ours = r"\b(GET|PUT|POST|DELETE) (/(?:v1|coral|tei|health|metrics)\b[^\s`?]*)"
    for method, path in re.findall(ours, documentation() + read("README.md")):
        assert any(method == m and re.fullmatch(regex, path) for m, regex in known), f"{method} {path}"


def test_every_route_is_documented(openapi: dict[str, Any]) -> None:
    page = documentation()
    for path, methods in openapi["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in page


def references(value: Any, schemas: dict[str, Any]) -> set[str]:
    """Names of the schemas that a part of the OpenAPI document refers to."""
    names = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(value)))
    return names.union(*(references(schemas[name], schemas) for name in names))


def test_every_field_is_documented(openapi: dict[str, Any]) -> None:
    """All of the native API; the other protocols are documented by their authors."""
    page, schemas = read("docs/api.md"), openapi["components"]["schemas"]
    native = {path: of for path, of in openapi["paths"].items() if path != "/" and path in page}
    for name in references(native, schemas):
        for field in schemas[name].get("properties", {}):
            assert f"`{field}`" in page or f'"{field}"' in page, f"{name}.{field}"


def rows(page: str, head: str) -> list[list[str]]:
    """The cells of the page's table that begins with the line `head`, without backticks."""
    (body,) = re.findall(rf"^{re.escape(head)}\n\|[-|]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    return [[cell.strip(" `") for cell in line.strip("|\n").split("|")] for line in body.splitlines()]


def test_notes_are_those_of_the_code() -> None:
    documented = [note for note, _ in rows(read("docs/api.md"), "| note | meaning |")]
    assert sorted(documented) == sorted(Note)


def test_error_codes_are_those_of_the_code() -> None:
    table = rows(read("docs/api.md"), "| status | code | what to do |")
    documented = [(int(status), code) for status, code, _ in table]
    others = [Problem.of(Exception()), Problem.of_status(405)]
    assert sorted(documented) == sorted([*STATUS.values(), *((p.status, p.code) for p in others)])


def test_reasons_are_those_of_the_code() -> None:
    """Codes of rules in JSON, and Coral's rejection reasons."""
    policies = [Policy.load(name, thresholds=dict.fromkeys(SCORES, 0.5)) for name in shipped()]
    rules = {rule.code for policy in policies for rule in policy.rules}
    known = rules | {code for _, code in STATUS.values()} | {CLOSED.code}
    for page in PAGES:
        assert known.issuperset(re.findall(r'"code": "([a-z_]+)"', page.read_text(encoding="utf-8"))), page
    listed = re.search(r"^\| `reason` \| \| of a rejection.*", read("docs/api.md"), re.MULTILINE)
    assert listed
    assert sorted(re.findall(r"`([A-Z_]+)`", listed[0])) == sorted(get_args(RejectionCode))


def test_metrics_are_those_of_the_code() -> None:
    """Names of families or of their samples; tests/deploy checks the files in deploy against them."""
    families = list(Metrics().registry.collect())
    ours = [family for family in families if family.name.startswith("parley_")]
    known = {family.name for family in ours} | {sample.name for family in ours for sample in family.samples}
    known |= {f"{family.name}_total" for family in ours if family.type == "counter"}
    known |= {f"{family.name}_info" for family in ours if family.type == "info"}
    known |= {f"{family.name}_bucket" for family in ours if family.type == "histogram"}
    other = {"parley_moderation", "parley_action", "parley_reasons"}  # the package; WordPress's meta keys
    for page in PAGES:
        named = set(re.findall(r"(?<!/)\bparley_[a-z_]+", page.read_text(encoding="utf-8")))
        assert named <= known | other, page
    listed = read("docs/api.md").partition("## GET /metrics")[2]
    for family in ours:
        assert re.search(rf"`{family.name}(_total|_info)?`", listed), family.name


NOT_OURS = {"ai_sentiment_model_configs", "api_base", "api_client", "user_name", "method_not_allowed"}
"""Names of other programs, a column of a user's table, and a code derived from the status's phrase."""
SOURCES = ("model", "service", "training", "configs", "benchmarks", "deploy", ".ci", "docs/refresh.py")


def identifiers() -> set[str]:
    """Every word with an underscore in code, configuration and this project's own files."""
    files = [path for name in SOURCES for path in [ROOT / name, *(ROOT / name).rglob("*")] if path.is_file()]
    files += [ROOT / "Makefile", ROOT / "pyproject.toml"]
    kinds = {".py", ".yaml", ".html", ".js", ".php", ".toml", ".service", ".json", ""}
    skipped = {"node_modules", "artifacts", "stories", "more_stories"}
    texts = (
        f"{path.stem} {path.read_text(encoding='utf-8', errors='replace')}"
        for path in files
        if path.suffix in kinds and not skipped & set(path.parts) and path != Path(__file__)
    )
    return {word for text in texts for word in re.findall(r"\w*_\w*", text)}


def test_no_name_in_code_style_is_stale() -> None:
    """What README and docs write as `some_name` is in the code. The changelog may name what has gone."""
    known = identifiers() | NOT_OURS
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        inline = " ".join(re.findall(r"`[^`\n]+`", page.read_text(encoding="utf-8")))
        named = set(re.findall(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b", inline))
        assert sorted(named - known) == [], page


def settings(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from settings(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_settings_are_those_of_the_code() -> None:
    table = rows(read("docs/configuration.md"), "| setting | flag | variable | default | |")
    documented = [(setting, variable) for setting, _, variable, *_ in table if setting]
    variables = {s: f"PARLEY_{s.upper().replace('.', '__')}" for s in settings()}
    assert sorted(documented) == sorted(variables.items())


def test_every_format_is_documented() -> None:
    pages = read("docs/scoring.md") + read("docs/formats.md")
    for name in INPUTS:
        assert f"`{name}`" in pages, name


def test_every_policy_is_documented() -> None:
    for name in shipped():
        assert f"`{name}`" in read("docs/configuration.md")


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the page's headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, *CARDS], ids=lambda p: str(p.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{page.name} links to {link}"
        assert target.is_relative_to(ROOT), f"{page.name} links out of the repository: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name} links to {link}"

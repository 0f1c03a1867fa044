"""The service's settings: flags, then PARLEY_* variables, then a YAML file, then defaults.

    settings = Settings.load(file="service.yaml", flags={"port": 9000})

`configs/service.yaml` is the commented file with every default. A key of a section is set in the environment
with two underscores: PARLEY_LIMITS__COMMENTS=100. Unknown keys are refused, wherever they stand.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from limits import parse
from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as _SourceError

from service.errors import SettingsError

PREFIX = "PARLEY_"
CONFIG_VARIABLE = "PARLEY_CONFIG"
FROM_KUBERNETES = re.compile(r"PARLEY_(SERVICE_\w+|PORT_\d+_\w+)")
"""Variables that Kubernetes sets in every pod when a service is called `parley`."""


class Section(BaseModel):
    """A part of the settings: unknown keys are refused, values don't change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(Section):
    """What one request may bring."""

    comments: int = Field(default=1000, ge=1)
    text: int = Field(default=100_000, ge=1)
    body: int = Field(default=10_000_000, ge=1000)


class Queue(Section):
    """What may wait for the model, and how much it takes at once."""

    comments: int = Field(default=4000, ge=1)
    wait: float = Field(default=0.5, gt=0)
    batch: int = Field(default=16, ge=1)


class Access(Section):
    """Who may call, and how often."""

    anonymous: bool = False
    rate: str | None = "6000/minute"

    @field_validator("rate")
    @classmethod
    def _check_rate(cls, rate: str | None) -> str | None:
        return rate if rate is None else check_rate(rate)


class Storage(Section):
    """What is kept, where and for how long."""

    folder: Path | None = None
    url: str | None = None
    comments: bool = False
    days: int = Field(default=90, ge=1)

    @property
    def path(self) -> Path:
        """The folder of what is kept in files."""
        return self.folder or user_data_path("parley", appauthor=False)

    @property
    def database(self) -> str:
        """The URL of the database."""
        return self.url or f"sqlite:///{self.path / 'parley.db'}"

    @property
    def author_secret(self) -> Path:
        """The file with the secret of author hashes."""
        return self.path / "author-secret"


class Fetch(Section):
    """Whether unknown articles are fetched, and within which limits."""

    hosts: list[str] = []
    seconds: float = Field(default=5.0, gt=0)
    bytes: int = Field(default=2_000_000, ge=1000)
    redirects: int = Field(default=3, ge=0)


class Settings(BaseSettings):
    """Everything that a running service can be told; `configs/service.yaml` explains each key."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    model: Path | None = None
    threads: int | None = Field(default=None, ge=1)
    policy: str = "default"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    limits: Limits = Limits()
    queue: Queue = Queue()
    access: Access = Access()
    store: Storage = Storage()
    fetch: Fetch = Fetch()

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, **_: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)  # `load` gathers the others, so that its errors can name the place

    @classmethod
    def load(cls, *, file: Path | str | None = None, flags: Mapping[str, Any] | None = None) -> Self:
        """The settings from all places; a flag that is None was not given. Raises SettingsError."""
        file = file or os.environ.get(CONFIG_VARIABLE)
        from_flags = {name: value for name, value in (flags or {}).items() if value is not None}
        from_env = _read_environment(cls)
        from_file = _read_file(Path(file)) if file else {}
        try:
            return cls(**_merge(_merge(from_file, from_env), from_flags))
        except ValidationError as error:
            problems = []
            for problem in error.errors(include_url=False, include_input=False, include_context=False):
                place = _place(problem["loc"], from_flags, from_env, file)
                problems.append(f"{place}: {_say(problem['type'], problem['msg'], problem['loc'])}")
            raise SettingsError("\n".join(problems)) from error


def check_rate(rate: str) -> str:
    """`rate` as it is, where it says how many requests in which time. Raises ValueError."""
    try:
        good = parse(rate).amount > 0
    except ValueError:
        good = False
    if not good:
        raise ValueError(
            f"{rate!r} is no rate: write a number and second, minute, hour or day, as 600/minute"
        )
    return rate


def _read_file(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{file} can't be read: {error}; the settings are a YAML file in UTF-8"
        ) from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{file} is not YAML: {error}; mend it at the place named") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{file} must hold keys such as `port: 8000`; see configs/service.yaml")
    return {str(key): value for key, value in values.items()}


def _read_environment(cls: type[Settings]) -> dict[str, Any]:
    for name in os.environ:
        key = name.removeprefix(PREFIX).split("__")[0].lower()
        ours = name.startswith(PREFIX) and name != CONFIG_VARIABLE and not FROM_KUBERNETES.fullmatch(name)
        if ours and key not in cls.model_fields:
            raise SettingsError(f"environment variable {name}: no such setting; {_hint(key, cls)}")
    try:
        values = EnvSettingsSource(cls)()
    except _SourceError as error:
        raise SettingsError(
            f"environment: {error}; write a section's keys one by one, as PARLEY_LIMITS__COMMENTS=100"
        ) from error
    if str(values.get("port", "")).startswith("tcp://"):  # Kubernetes again, not a port of ours
        del values["port"]
    return values


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(below.get(key), Mapping)
        merged[key] = _merge(below[key], value) if both else value
    return merged


def _place(loc: tuple[int | str, ...], flags: Mapping[str, Any], env: Mapping[str, Any], file: object) -> str:
    path = ".".join(map(str, loc))
    if loc and loc[0] in flags:
        return "--" + "-".join(map(str, loc)).replace("_", "-")
    if _holds(env, loc):
        return "environment variable " + PREFIX + "__".join(str(part).upper() for part in loc)
    return f"{file}: {path}"


def _holds(values: Any, loc: tuple[int | str, ...]) -> bool:
    for part in loc:
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True


def _say(kind: str, message: str, loc: tuple[int | str, ...]) -> str:
    if kind == "extra_forbidden":
        parent: Any = Settings
        for part in loc[:-1]:
            parent = parent.model_fields[part].annotation
        return f"no such setting; {_hint(str(loc[-1]), parent)}"
    return message


def _hint(key: str, cls: type[BaseModel]) -> str:
    near = get_close_matches(key, cls.model_fields, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(cls.model_fields)}"

"""The service's settings: flags, then PARLEY_* variables, then a YAML file, then defaults.

    settings = Settings.load(file="service.yaml", flags={"port": 9000})

`configs/service.yaml` is the commented file with every default. Variables name a section's key with two
underscores: PARLEY_LIMITS__COMMENTS=100. Unknown keys are refused everywhere.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from limits import parse_many
from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from parley.service.errors import SettingsError
from parley.service.policy.rules import SCORES
from parley.service.settings.sources import CONFIG_VARIABLE, PREFIX, merge, place, read_environment, read_file
from parley.service.urls import is_host
from parley.service.validation import say

MIN_SECRET = 16


class Section(BaseModel):
    """A section of the settings: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(Section):
    """Limits of one request."""

    comments: int = Field(default=1000, ge=1)
    text: int = Field(default=100_000, ge=1)
    body: int = Field(default=10_000_000, ge=1000)

    def too_long(self, text: str) -> str | None:
        """The error for a text over the limit, else None."""
        if len(text) <= self.text:
            return None
        return f"has {len(text)} characters, the limit is {self.text}: shorten it"


class Queue(Section):
    """Limits of what waits for the model, and its batch size."""

    comments: int = Field(default=4000, ge=1)
    wait: float = Field(default=0.05, gt=0)
    batch: int = Field(default=16, ge=1)


class Server(Section):
    """The proxies in front of the service."""

    trusted_proxies: list[str] = []
    root_path: str = ""

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, proxies: list[str]) -> list[str]:
        for proxy in proxies:
            try:
                ipaddress.ip_network(proxy, strict=False)
            except ValueError as error:
                raise ValueError(
                    f"{proxy!r} is not an address or a network: give 127.0.0.1 or 10.0.0.0/8, not a name or *"
                ) from error
        return proxies

    @field_validator("root_path")
    @classmethod
    def _check_root_path(cls, path: str) -> str:
        if path and not re.fullmatch(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+", path):
            raise ValueError("must start, not end, with /: /parley")
        return path


class Metering(Section):
    """The separate port of /metrics."""

    host: str = "127.0.0.1"
    port: int | None = Field(default=None, ge=0, le=65535)


class Access(Section):
    """Access and rate limits."""

    anonymous: bool = False
    rate: str | None = "6000/minute"
    origins: list[str] = []

    @field_validator("origins")
    @classmethod
    def _check_origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if origin != "*" and not re.fullmatch(r"https?://[^/\s*]+", origin):
                raise ValueError(
                    f"{origin!r} is not an origin: write https://news.example (no path), or * for all"
                )
        return origins

    @field_validator("rate")
    @classmethod
    def _check_rate(cls, rate: str | None) -> str | None:
        return rate if rate is None else check_rate(rate)


class Storage(Section):
    """What is stored, where and for how long."""

    folder: Path | None = None
    url: str | None = None
    comments: bool = False
    queue: bool = False
    days: int = Field(default=90, ge=1)

    @property
    def path(self) -> Path:
        """The folder of stored files."""
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
    """Whether and how articles' pages are fetched, and whether they close their stories."""

    hosts: list[str] = []
    seconds: float = Field(default=5.0, gt=0)
    bytes: int = Field(default=2_000_000, ge=1000)
    redirects: int = Field(default=3, ge=0)
    closed: bool = False

    @field_validator("hosts")
    @classmethod
    def _check_hosts(cls, hosts: list[str]) -> list[str]:
        for host in hosts:
            if not is_host(host):
                raise ValueError(
                    f"{host!r} is not a host: write news.example, which includes its subdomains; "
                    "no https://, path or *"
                )
        return hosts


class Perspective(Section):
    """Options of Perspective's protocol."""

    attributes: dict[str, str | None] = {}
    languages: Literal["declared", "detected", "ignored"] = "declared"

    @field_validator("attributes")
    @classmethod
    def _check_attributes(cls, attributes: dict[str, str | None]) -> dict[str, str | None]:
        known = (*SCORES, "stance.favor", "stance.against")
        for name, score in attributes.items():
            if score is not None and score not in known:
                raise ValueError(f"{name}: no score is called {score!r}; choose one of {', '.join(known)}")
        return attributes


class Coral(Section):
    """Options of Coral's external moderation phase."""

    secrets: list[SecretStr] = []
    review: Literal["withhold", "flag"] = "withhold"
    body: Literal["html", "plain"] = "html"

    @field_validator("secrets")
    @classmethod
    def _check_secrets(cls, secrets: list[SecretStr]) -> list[SecretStr]:
        if any(len(secret.get_secret_value()) < MIN_SECRET for secret in secrets):
            raise ValueError(
                f"a signing secret has at least {MIN_SECRET} characters: copy it whole, empsec_ included"
            )
        return secrets


class Webhook(Section):
    """A receiver of moderators' decisions, and the secret that signs them."""

    url: str
    secret: SecretStr

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if not re.match(r"https?://[^/\s]", url):
            raise ValueError("must start with http:// or https:// and name a host")
        return url

    @field_validator("secret")
    @classmethod
    def _check_secret(cls, secret: SecretStr) -> SecretStr:
        if len(secret.get_secret_value()) < MIN_SECRET:
            raise ValueError(
                f"a signing secret has at least {MIN_SECRET} characters: `openssl rand -hex 32` makes one"
            )
        return secret


class Desk(Section):
    """The moderators' pages at /desk."""

    upload: int = Field(default=200_000_000, ge=1000)
    close_after: int | None = Field(default=None, ge=1)
    webhooks: list[Webhook] = []


class Settings(BaseSettings):
    """All settings of the service; `configs/service.yaml` explains each key."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    model: Path | None = None
    threads: int | None = Field(default=None, ge=1)
    policy: str = "default"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    server: Server = Server()
    limits: Limits = Limits()
    queue: Queue = Queue()
    access: Access = Access()
    store: Storage = Storage()
    fetch: Fetch = Fetch()
    metrics: Metering = Metering()
    public_url: str | None = None
    perspective: Perspective = Perspective()
    coral: Coral = Coral()
    desk: Desk = Desk()

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, url: str | None) -> str | None:
        if url is not None and not re.match(r"https?://[^/\s]", url):
            raise ValueError("must start with http:// or https:// and name a host")
        return url

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read only from arguments."""
        return (init_settings,)  # `load` reads the other sources, so that its errors can name the place

    @classmethod
    def load(cls, *, file: Path | str | None = None, flags: Mapping[str, Any] | None = None) -> Self:
        """The settings from all sources; a flag that is None was not given. Raises SettingsError."""
        file = file or os.environ.get(CONFIG_VARIABLE)
        from_flags = {name: value for name, value in (flags or {}).items() if value is not None}
        from_env = read_environment(cls)
        from_file = read_file(Path(file)) if file else {}
        try:
            return cls(**merge(merge(from_file, from_env), from_flags))
        except ValidationError as error:
            problems = []
            for problem in error.errors(include_url=False, include_input=False, include_context=False):
                where = place(problem["loc"], from_flags, from_env, file)
                problems.append(f"{where}: {say(problem['type'], problem['msg'], problem['loc'], cls)}")
            raise SettingsError("\n".join(problems)) from error


def check_rate(rate: str) -> str:
    """`rate` unchanged, if it is valid. Raises ValueError."""
    try:
        limits = parse_many(rate)
        good = len(limits) == 1 and limits[0].amount > 0
    except ValueError:
        good = False
    if not good:
        raise ValueError(
            f"{rate!r} is not a rate: write a number and second, minute, hour or day, as in 600/minute"
        )
    return rate

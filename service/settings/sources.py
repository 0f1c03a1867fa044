"""Sources of settings, the YAML file and the environment, and how errors name a place in them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic_settings import BaseSettings, EnvSettingsSource
from pydantic_settings import SettingsError as _SourceError

from parley.service.errors import SettingsError
from parley.service.validation import say_unknown

PREFIX = "PARLEY_"
CONFIG_VARIABLE = "PARLEY_CONFIG"
FROM_KUBERNETES = re.compile(r"PARLEY_(SERVICE_\w+|PORT_\d+_\w+)")
"""Variables that Kubernetes sets in every pod if a service is called `parley`."""


def read_file(file: Path) -> dict[str, Any]:
    """The keys of a YAML file. Raises SettingsError."""
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{file} can't be read: {error}; the settings are a YAML file in UTF-8"
        ) from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{file} is not YAML: {_say_yaml(error)}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{file} must hold keys such as `port: 8000`; see configs/service.yaml")
    return {str(key): value for key, value in values.items()}


def _say_yaml(error: yaml.YAMLError) -> str:
    """The problem and its place, without the lines that PyYAML quotes: they may contain secrets."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return str(getattr(error, "reason", "it can't be read"))
    return (
        f"{getattr(error, 'problem', None)} at line {mark.line + 1}, column {mark.column + 1}: fix it there"
    )


def read_environment(cls: type[BaseSettings]) -> dict[str, Any]:
    """The values of the PARLEY_* variables, by section. Raises SettingsError for an unknown one."""
    for name in os.environ:
        key = name.removeprefix(PREFIX).split("__")[0].lower()
        ours = name.startswith(PREFIX) and name != CONFIG_VARIABLE and not FROM_KUBERNETES.fullmatch(name)
        if ours and key not in cls.model_fields:
            raise SettingsError(f"environment variable {name}: {say_unknown(key, cls.model_fields)}")
    try:
        values = EnvSettingsSource(cls)()
    except _SourceError as error:
        raise SettingsError(
            f"environment: {error}; set a section's keys one by one, as PARLEY_LIMITS__COMMENTS=100, "
            """and a list as JSON, as PARLEY_FETCH__HOSTS='["news.example"]'"""
        ) from error
    if str(values.get("port", "")).startswith("tcp://"):  # from Kubernetes, not our setting
        del values["port"]
    return values


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`below` overridden by `above`, section by section."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(below.get(key), Mapping)
        merged[key] = merge(below[key], value) if both else value
    return merged


def place(loc: tuple[int | str, ...], flags: Mapping[str, Any], env: Mapping[str, Any], file: object) -> str:
    """The flag, variable, or file and key that set the value at `loc`."""
    path = ".".join(map(str, loc))
    names = [str(part) for part in loc if isinstance(part, str)]  # not an index in a list
    if loc and loc[0] in flags:
        return "--" + "-".join(names).replace("_", "-")
    if _holds(env, names):
        return "environment variable " + PREFIX + "__".join(names).upper()
    return f"{file}: {path}"


def _holds(values: Any, loc: Sequence[str]) -> bool:
    for part in loc:
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True

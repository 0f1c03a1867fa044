"""Settings: where they come from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from parley.service.errors import SettingsError
from parley.service.settings.schema import Limits, Settings

SHIPPED = Path(__file__).parents[3] / "configs" / "service.yaml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "service.yaml"
    path.write_text("port: 1\nlog_level: debug\nlimits:\n  comments: 10\n  text: 20\n")
    return path


def test_flags_then_environment_then_file_then_defaults(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_PORT", "2")
    monkeypatch.setenv("PARLEY_LIMITS__TEXT", "30")
    monkeypatch.setenv("PARLEY_HOST", "0.0.0.0")
    settings = Settings.load(file=file, flags={"port": 3, "host": None})
    assert (settings.port, settings.host, settings.log_level) == (3, "0.0.0.0", "debug")
    assert (settings.limits.comments, settings.limits.text) == (10, 30)
    assert settings.limits.body == Settings().limits.body


def test_the_file_may_be_named_in_the_environment(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_CONFIG", str(file))
    assert Settings.load().port == 1


def test_the_shipped_file_holds_every_setting_with_its_default() -> None:
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    assert shipped == Settings().model_dump(mode="json")
    assert Settings.load(file=SHIPPED) == Settings()


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text("# nothing yet\n")
    assert Settings.load(file=empty) == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot: 8000", r"service.yaml: prot: unknown key; did you mean 'port'\?"),
        (
            "limits:\n  coments: 3",
            r"service.yaml: limits.coments: unknown key; did you mean 'comments'\?",
        ),
        ("port: many", "service.yaml: port: "),
        ("port: 70000", "service.yaml: port: .*65535"),
        ("limits:\n  comments: 0", "service.yaml: limits.comments: .*greater than or equal to 1"),
        ("log_level: loud", "service.yaml: log_level: .*'debug'"),
        ("fetch:\n  hosts: [https://news.example]", "fetch.hosts: .*no https://"),
        ("fetch:\n  hosts: ['*.news.example']", "fetch.hosts: .*not a host"),
        ("fetch:\n  hosts: ['']", "fetch.hosts: .*not a host"),
        ("- port", "must hold keys"),
        ("port: [1", "is not YAML.*line 1"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "service.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=f"(?s){message}"):
        Settings.load(file=path)


@pytest.mark.parametrize(
    "text", ["coral:\n  secrets: ['empsec_0000\nport: 1", "coral: empsec_0000: x", "empsec_0000\0"]
)
def test_a_damaged_file_is_not_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "service.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match="is not YAML") as caught:
        Settings.load(file=path)
    assert "empsec" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_an_unreadable_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="can't be read"):
        Settings.load(file=tmp_path / name)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PARLEY_PROT", "1", r"variable PARLEY_PROT: unknown key; did you mean 'port'\?"),
        ("PARLEY_PORT", "many", "variable PARLEY_PORT: "),
        ("PARLEY_LIMITS__COMENTS", "1", r"variable PARLEY_LIMITS__COMENTS: .*did you mean 'comments'\?"),
        ("PARLEY_LIMITS", "many", "environment: .*PARLEY_LIMITS__COMMENTS=100"),
        ("PARLEY_CORAL__SECRETS", "empsec_not_json", r"environment: .*and a list as JSON"),
        ("PARLEY_CORAL__SECRETS", "[5]", "variable PARLEY_CORAL__SECRETS: "),
    ],
)
def test_a_bad_variable_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=message):
        Settings.load()


def test_a_bad_flag_is_refused_by_its_name() -> None:
    with pytest.raises(SettingsError, match="--log-level: "):
        Settings.load(flags={"log_level": "loud"})


def test_what_kubernetes_sets_for_a_service_called_parley_is_not_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PARLEY_PORT", "tcp://10.0.0.7:8000")
    monkeypatch.setenv("PARLEY_SERVICE_HOST", "10.0.0.7")
    monkeypatch.setenv("PARLEY_PORT_8000_TCP_ADDR", "10.0.0.7")
    assert Settings.load().port == 8000


def test_a_text_over_the_limit_is_named_with_both_lengths() -> None:
    limits = Limits(text=3)
    assert limits.too_long("abc") is None
    assert limits.too_long("abcd") == "has 4 characters, the limit is 3: shorten it"

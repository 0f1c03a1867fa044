"""Units, containers, manifests, alerts, dashboard: each checked with its own tool and against the code."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from parley.service.metrics import Metrics
from parley.service.settings.schema import Settings
from tests.deploy.conftest import DEPLOY, ROOT, program, run

UNITS = sorted(DEPLOY.glob("systemd/*.service"))
MANIFESTS = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "parley.yaml").read_text(encoding="utf-8")))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def test_every_folder_is_named_in_its_readme() -> None:
    readme = (DEPLOY / "README.md").read_text(encoding="utf-8")
    for path in DEPLOY.iterdir():
        assert f"`{path.name}`" in readme or path.name == "README.md", path


# systemd


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_are_hardened(unit: Path) -> None:
    """systemd's own score, 0 to 100: below 20 is "OK"; a service without hardening has 96."""
    done = run(
        program("systemd-analyze", "systemd"),
        "security",
        "--offline=true",
        "--threshold=20",
        "--no-pager",
        unit,
    )
    assert done.returncode == 0, done.stdout


def test_units_are_valid(tmp_path: Path) -> None:
    for unit in (*UNITS, *DEPLOY.glob("systemd/*.timer")):
        text = unit.read_text(encoding="utf-8").replace("/usr/local/bin/parley", "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    for unit in tmp_path.iterdir():
        done = run(program("systemd-analyze", "systemd"), "verify", "--man=no", unit)
        assert (done.returncode, done.stdout) == (0, "")


def test_installed_settings_are_valid() -> None:
    settings = Settings.load(file=DEPLOY / "systemd" / "service.yaml")
    assert settings.store.path == Path("/var/lib/parley")


def test_scripts_are_bash() -> None:
    for script in ("systemd/install", "systemd/check", "systemd/check-inside", "check-image"):
        done = run("bash", "-n", DEPLOY / script)
        assert done.returncode == 0, done.stdout
    assert "deploy/systemd/install --rollback" in run("bash", DEPLOY / "systemd" / "install", "--help").stdout


# Containers


def test_image_is_built_from_files_that_exist() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    sources = [
        name for line in re.findall(r"^COPY (?!--)(.+) \S+$", text, re.MULTILINE) for name in line.split()
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
    let_in = {
        line[1:]
        for line in (DEPLOY / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    assert let_in == set(sources)
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", text, re.MULTILINE)


def test_compose_file_is_valid() -> None:
    environment = {"PARLEY_SITE": "parley.news.example", "POSTGRES_PASSWORD": "x"}
    done = run(
        program("docker-compose", "docker-compose"),
        "-f",
        "compose.yaml",
        "config",
        "-q",
        cwd=DEPLOY,
        **environment,
    )
    assert done.returncode == 0, done.stdout
    parley = COMPOSE["services"]["parley"]
    assert (parley["read_only"], parley["cap_drop"]) == (True, ["ALL"])
    subnet = COMPOSE["networks"]["front"]["ipam"]["config"][0]["subnet"]
    assert json.loads(parley["environment"]["PARLEY_SERVER__TRUSTED_PROXIES"]) == [subnet]


def test_container_variables_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    given = dict(re.findall(r"(PARLEY_\w+)=(\S+)", text)) | COMPOSE["services"]["parley"]["environment"]
    for name, value in given.items():
        monkeypatch.setenv(name, re.sub(r"\$\{(\w+)[^}]*\}", "x", value))
    settings = Settings.load()
    assert settings.host == "0.0.0.0"
    assert settings.store.path == Path("/data")
    assert settings.metrics.port == 9464


# Kubernetes


def manifest(kind: str) -> dict[str, Any]:
    (found,) = [each for each in MANIFESTS if each["kind"] == kind]
    return dict(found)


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
def test_manifests_match_kubernetes_schema(version: str) -> None:
    for each in MANIFESTS:
        kubernetes_validate.validate(each, version, strict=True)


def test_manifests_match_each_other_and_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "service.yaml"
    file.write_text(manifest("ConfigMap")["data"]["service.yaml"], encoding="utf-8")
    settings = Settings.load(file=file)
    pod = manifest("Deployment")["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert {p["name"]: p["containerPort"] for p in container["ports"]} == {
        "http": settings.port,
        "metrics": settings.metrics.port,
    }
    selector = pod["metadata"]["labels"]
    assert manifest("Service")["spec"]["selector"] == selector
    assert manifest("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == selector
    assert manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == selector
    for spec in (pod["spec"], manifest("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]):
        assert spec["securityContext"]["runAsNonRoot"]
        volumes = {volume["name"] for volume in spec["volumes"]}
        assert {mount["name"] for c in spec["containers"] for mount in c["volumeMounts"]} <= volumes
        for each in spec["containers"]:
            assert each["securityContext"]["readOnlyRootFilesystem"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] == "/health"


# Monitoring


def exported() -> set[str]:
    """The names of everything that /metrics shows, as Prometheus stores them."""
    metrics = Metrics()
    metrics.on_request(route="/v1/classify", method="POST", status=200, seconds=0.1)
    metrics.decisions.labels("default", "review").inc()
    metrics.model.info({"name": "x", "version": "1"})
    return set(re.findall(r"^([a-z_]+)(?:\{| )", metrics.render().decode(), re.MULTILINE))


def named(text: str) -> set[str]:
    return set(re.findall(r"\b((?:parley|process)_[a-z_]+)\b", text))


def test_alerts_and_dashboard_name_metrics_that_exist() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "parley.json").read_text(encoding="utf-8"))
    asked = " ".join(t["expr"] for panel in dashboard["panels"] for t in panel.get("targets", []))
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    rules = " ".join(rule["expr"] for group in groups for rule in group["rules"])
    assert len(named(asked)) > 10
    assert named(asked) | named(rules) <= exported()
    shown = re.sub(r"_(bucket|sum|count|created)\b", "", " ".join(named(asked)))
    for name in exported():
        assert not name.startswith("parley_") or re.sub(r"_(bucket|sum|count|created)$", "", name) in shown


def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    promtool = program("promtool", "prometheus")
    for file in (DEPLOY / "prometheus").iterdir():
        shutil.copy(file, tmp_path)
    for arguments in (
        ("check", "rules", "alerts.yaml"),
        ("test", "rules", "alerts-test.yaml"),
        ("check", "config", "--syntax-only", "prometheus.yaml"),
    ):
        done = run(promtool, *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stdout


def test_every_alert_says_what_to_do() -> None:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        assert {"summary", "what_to_do"} == set(rule["annotations"])


def test_grafana_can_load_the_dashboard() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "parley.json").read_text(encoding="utf-8"))
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        assert panel["title"]

"""The compose file: valid, consistent with the files that it uses; it starts, scores and is monitored."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # it has no types

from deploy.compose.__main__ import ADDRESS, HERE, VARIABLES, text
from deploy.kafka.ports import free_ports
from tests.support.containers import builder, docker, works
from tests.support.deployment import DEPLOY, DOCKERFILE, accepted, image_environment, stops_in_time
from tests.support.go_modules import go_module
from tests.support.images import Image, base_images, kafka_image
from tests.support.prometheus import Prometheus, program
from tests.support.until import until

FOLDER = DEPLOY / "compose"
TEXT = (FOLDER / "compose.yaml").read_text("utf-8")
PROJECT: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = PROJECT["services"]
WORKERS = ("topics", "worker", "demo")
UP_LIMIT_S = 240.0
SEEN_LIMIT_S = 60.0


def mounts(service: str) -> Iterator[tuple[Path, str]]:
    """The files that are mounted into a service, and where."""
    for volume in SERVICES[service].get("volumes", []):
        ours, theirs, mode = volume.split(":")
        assert mode == "ro"
        yield (FOLDER / ours).resolve(), theirs


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def settings_of(service: str) -> Any:
    return accepted(image_environment() | SERVICES[service]["environment"])


def test_it_is_valid() -> None:
    module = go_module("github.com/compose-spec/compose-go/v2", "v2.16.2")
    schema = json.loads((module / "schema" / "compose-spec.json").read_text("utf-8"))
    Draft7Validator(schema).validate(PROJECT)


def test_the_committed_settings_of_kafka_are_the_generated_ones() -> None:
    assert VARIABLES.read_text("utf-8") == text(), "stale: run `python -m deploy.compose`"


def test_by_default_it_builds_what_the_dockerfile_does() -> None:
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)", DOCKERFILE, re.MULTILINE))
    del defaults["REVISION"]
    for name in WORKERS:
        assert SERVICES[name]["build"]["args"] == {name: f"${{{name}:-{value}}}" for name, value in defaults.items()}


def test_kafka_is_where_the_others_look_for_it() -> None:
    assert {settings_of(name).bootstrap_servers for name in WORKERS} == {ADDRESS}
    assert SERVICES["kafka"]["ports"] == [f"127.0.0.1:{HERE.port}:{HERE.port}"]


def test_nothing_is_published_beyond_this_machine() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_a_worker_that_drains_is_not_killed() -> None:
    assert stops_in_time(settings_of("worker"), float(SERVICES["worker"]["stop_grace_period"].removesuffix("s")))


@pytest.mark.parametrize("service", WORKERS)
def test_workers_may_write_nothing_and_gain_nothing(service: str) -> None:
    options = SERVICES[service]
    assert (options["read_only"], options["cap_drop"]) == (True, ["ALL"])
    assert options["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_mounted_is_there(service: str) -> None:
    assert [ours for ours, _ in mounts(service) if not ours.exists()] == []


def test_prometheus_has_the_settings_of_deploy_prometheus_except_the_targets() -> None:
    here, shipped = loaded(FOLDER / "prometheus.yml"), loaded(DEPLOY / "prometheus" / "prometheus.yml")
    [job], [shipped_job] = here.pop("scrape_configs"), shipped.pop("scrape_configs")
    assert here == shipped
    assert job["job_name"] == shipped_job["job_name"]
    [found] = job["dns_sd_configs"]
    assert (found["names"], found["port"]) == (["worker"], settings_of("worker").http_port)


def test_prometheus_understands_its_settings(tmp_path: Path) -> None:
    for ours, theirs in mounts("prometheus"):
        copy = shutil.copytree if ours.is_dir() else shutil.copy
        copy(ours, tmp_path / Path(theirs).name)
    command = [program("promtool"), "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_grafana_finds_its_dashboards_and_prometheus() -> None:
    places = {theirs: ours for ours, theirs in mounts("grafana")}
    [provider] = loaded(places["/etc/grafana/provisioning"] / "dashboards" / "sentiment.yml")["providers"]
    dashboards = provider["options"]["path"]
    environment = SERVICES["grafana"]["environment"]
    home = Path(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == dashboards
    assert (places[dashboards] / home.name).exists()
    [port] = SERVICES["prometheus"]["ports"]
    assert environment["PROMETHEUS_URL"] == f"http://prometheus:{port.rpartition(':')[2]}"


def with_images(folder: Path, port: int, images: Mapping[str, str]) -> dict[str, Any]:
    """The project, except for images, ports that may be taken, and Prometheus' interval."""
    project = deepcopy(PROJECT)
    del project["name"]  # each run has its own, and docker-compose 1 knows of none
    for name, service in project["services"].items():
        service.pop("ports", None)
        service["image"] = images.get(name, images["worker"])
    config = folder / "prometheus.yml"
    config.write_text((FOLDER / config.name).read_text("utf-8").replace("15s", "1s"), "utf-8")
    prometheus = project["services"]["prometheus"]
    prometheus["ports"] = [f"127.0.0.1:{port}:9090"]
    prometheus["volumes"] = [volume.replace(f"./{config.name}", str(config)) for volume in prometheus["volumes"]]
    return project


class Compose:
    """One run of the project under a name of its own."""

    def __init__(self, file: Path) -> None:
        self._name = f"sentiment-test-{uuid4().hex[:8]}"
        self._options = ["--project-name", self._name, "--project-directory", FOLDER, "--file", file]
        self._program, *self._words = compose_command()

    def __call__(self, *words: str) -> str:
        """Its output; fails with its error message."""
        words = ("--profile", "demo", *words)
        return docker(*self._words, *self._options, *words, program=self._program, limit_s=UP_LIMIT_S)


@pytest.fixture
def port() -> int:
    """Where Prometheus answers."""
    return free_ports(1)[0]


@pytest.fixture
def compose(image: Image, port: int, tmp_path: Path) -> Iterator[Compose]:
    """The project without Grafana, not started yet."""
    images = {"worker": image.tag, "kafka": kafka_image(), "prometheus": prometheus_image(tmp_path)}
    file = tmp_path / "compose.json"
    file.write_text(json.dumps(with_images(tmp_path, port, images)), "utf-8")
    compose = Compose(file)
    try:
        yield compose
    finally:
        sys.stderr.write(compose("logs", "--tail", "20"))  # pytest shows it where a test failed
        compose("down", "--volumes", "--timeout", "1")


def compose_command() -> list[str]:
    """Docker's plugin, or its predecessor; skips without either."""
    if works("docker", "compose", "version"):
        return ["docker", "compose"]
    if works("docker-compose", "version"):
        return ["docker-compose"]
    pytest.skip("neither `docker compose` nor docker-compose on this machine")


def prometheus_image(folder: Path) -> str:
    """This machine's Prometheus as an image."""
    context = folder / "prometheus-image"
    context.mkdir()
    shutil.copy(program("prometheus"), context / "prometheus")
    start = json.dumps(["/prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/tmp/data"])
    base, _ = base_images()
    (context / "Dockerfile").write_text(f"FROM {base}\nCOPY prometheus /\nCMD {start}\n", "utf-8")
    docker("build", "--tag=sentiment-worker/prometheus:test", str(context), program=builder())
    return "sentiment-worker/prometheus:test"


@pytest.mark.broker
@pytest.mark.timeout(1200)
def test_it_comes_up_scores_the_demo_s_reviews_and_every_worker_is_watched(compose: Compose, port: int) -> None:
    compose("up", "--detach", "--no-build", "--scale", "worker=2", *WORKERS, "kafka", "prometheus")
    prometheus = Prometheus(port)
    until(prometheus.answers, SEEN_LIMIT_S, "Prometheus answers")
    until(lambda: prometheus.values("up") == [1, 1], SEEN_LIMIT_S, "both workers are scraped")
    until(lambda: prometheus.values("sentiment:results:rate5m > 0"), SEEN_LIMIT_S, "reviews are scored")
    assert {rule["health"] for rule in prometheus.rules()} <= {"ok", "unknown"}
    compose("stop", "worker")
    codes = docker("inspect", "--format={{.State.ExitCode}}", *compose("ps", "--all", "--quiet", "worker").split())
    assert codes.split() == ["0", "0"]

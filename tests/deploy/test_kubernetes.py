"""The manifests: valid for Kubernetes, consistent with the worker's code, and safe by default."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client import CollectorRegistry

from deploy.kubernetes.__main__ import RESOURCE, resource
from tests.support.deployment import DEPLOY, accepted, image_environment, stops_in_time
from tests.support.manifests import MANIFESTS, Json, check, check_custom, is_custom, render, selectors
from worker.monitoring.health import Health
from worker.monitoring.http import serve
from worker.settings.schema import Settings

OVERLAYS = sorted(path.name for path in (MANIFESTS / "overlays").iterdir())
FOLDERS = ["base", *(f"overlays/{name}" for name in OVERLAYS)]
KUBERNETES = ["1.27", "1.37"]  # the oldest with everything that the base needs, and the newest with schemas here
POD_NAME = "sentiment-worker-3"


def one(kind: str, folder: str = "base") -> Any:
    """The only resource of a kind."""
    [found] = [each for each in render(MANIFESTS / folder) if each["kind"] == kind]
    return found


def pod_of(folder: str) -> Json:
    """The StatefulSet's template of pods."""
    return dict(one("StatefulSet", folder)["spec"]["template"]["spec"])


def container_of(folder: str) -> Json:
    """The only container."""
    [container] = pod_of(folder)["containers"]
    return dict(container)


def secret_files(pod: Json, folder: Path) -> Iterator[tuple[str, Path]]:
    """The path of each secret file in the container, and its replacement in `folder`."""
    [container] = pod["containers"]
    paths = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    for volume in pod["volumes"]:
        for item in volume.get("secret", {}).get("items", []):
            here = folder / item["path"]
            here.write_text("secret")
            yield f"{paths[volume['name']]}/{item['path']}", here


def settings_of(folder: str, scratch: Path) -> Settings:
    """The settings of a pod's worker."""
    container = container_of(folder)
    given = image_environment() | dict(one("ConfigMap", folder)["data"])
    for variable in container["env"]:
        source = variable.get("valueFrom", {})
        name_of_pod = source.get("fieldRef", {}).get("fieldPath") == "metadata.name"
        value = POD_NAME if name_of_pod else source.get("secretKeyRef", {}).get("key")
        given[variable["name"]] = variable.get("value", value)
    return accepted(given, dict(secret_files(pod_of(folder), scratch)))


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest) -> str:
    """Each folder that is applied."""
    return str(request.param)


@pytest.fixture
def settings(folder: str, tmp_path: Path) -> Settings:
    """Those of a pod's worker there."""
    return settings_of(folder, tmp_path)


@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_kubernetes_takes_every_resource_and_ignores_no_field(folder: str, kubernetes: str) -> None:
    for each in render(MANIFESTS / folder):
        if not is_custom(each):
            check(each, kubernetes)


@pytest.mark.parametrize("overlay", ["keda", "monitoring"])
def test_operators_take_their_resources_and_ignore_no_field(overlay: str) -> None:
    custom = [each for each in render(MANIFESTS / "overlays" / overlay) if is_custom(each)]
    assert custom
    for each in custom:
        check_custom(each)


def test_the_components_go_together(tmp_path: Path) -> None:
    everything = tmp_path / "kubernetes"
    shutil.copytree(MANIFESTS, everything)
    whole = everything / "whole"
    whole.mkdir()
    content = {"resources": ["../base"], "components": [f"../components/{name}" for name in OVERLAYS]}
    (whole / "kustomization.yaml").write_text(yaml.safe_dump(content))
    kinds = {each["kind"] for each in render(whole)}
    assert {"ScaledObject", "ServiceMonitor", "StatefulSet"} <= kinds


def test_the_worker_accepts_the_settings_of_a_pod(settings: Settings) -> None:
    assert settings.sasl_password is not None


def test_a_pod_s_name_is_that_of_its_member_and_of_its_transactions(settings: Settings) -> None:
    assert settings.group_instance_id == POD_NAME
    assert settings.effective_transactional_id() == f"{settings.group_id}.{POD_NAME}"


def test_a_worker_that_drains_is_not_killed(folder: str, settings: Settings) -> None:
    assert stops_in_time(settings, pod_of(folder)["terminationGracePeriodSeconds"])


def test_a_pod_may_drain_and_start_before_its_partitions_move(settings: Settings) -> None:
    assert settings.session_timeout_ms > settings.drain_timeout_ms


def test_probes_ask_for_pages_that_there_are() -> None:
    probes = [container_of("base")[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]
    health = Health(stall_timeout_s=60, now_s=0)
    with serve("127.0.0.1", 0, registry=CollectorRegistry(), health=health, pages={}) as (host, port):
        for probe in probes:
            with pytest.raises(HTTPError) as refused:  # not found would be 404
                urlopen(f"http://{host}:{port}{probe['path']}", timeout=5)
            refused.value.close()
            assert refused.value.code == 503
    assert [probe["path"] for probe in probes] == ["/livez", "/readyz", "/livez"]


def test_every_named_port_is_the_worker_s(folder: str, settings: Settings) -> None:
    [port] = container_of(folder)["ports"]
    [served] = one("Service", folder)["spec"]["ports"]
    assert (port["name"], port["containerPort"]) == ("http", settings.http_port)
    assert served["targetPort"] == "http"
    assert settings.http_host == "0.0.0.0"  # noqa: S104  # the pod's own
    container = container_of(folder)
    assert {container[f"{name}Probe"]["httpGet"]["port"] for name in ("startup", "readiness", "liveness")} == {"http"}


def test_every_selector_selects_these_pods(folder: str) -> None:
    """An empty selector would mean all pods of the namespace."""
    labels = one("StatefulSet", folder)["spec"]["template"]["metadata"]["labels"]
    for kind in ("StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy"):
        for selector in selectors(one(kind, folder)):
            assert selector
            assert selector.items() <= labels.items(), kind


def test_the_pods_are_of_the_service_that_names_them() -> None:
    assert one("StatefulSet")["spec"]["serviceName"] == one("Service")["metadata"]["name"]


def test_a_pod_has_no_rights_that_it_does_not_need(folder: str) -> None:
    """The profile `restricted` of Kubernetes, a read-only file system, and no token."""
    pod, container = pod_of(folder), container_of(folder)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_no_manifest_contains_a_secret() -> None:
    kinds = {each["kind"] for folder in FOLDERS for each in render(MANIFESTS / folder)}
    assert "Secret" not in kinds


def test_pods_reach_the_brokers_and_names_and_nothing_else(tmp_path: Path) -> None:
    policy = one("NetworkPolicy")["spec"]
    brokers = {int(server.rpartition(":")[2]) for server in settings_of("base", tmp_path).bootstrap_servers.split(",")}
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == brokers | {53}
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}


def test_an_eviction_takes_one_pod_at_a_time() -> None:
    assert one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_the_scaler_looks_at_the_topic_that_the_workers_read(tmp_path: Path) -> None:
    settings = settings_of("overlays/keda", tmp_path)
    [trigger] = one("ScaledObject", "overlays/keda")["spec"]["triggers"]
    asked = {name: trigger["metadata"][name] for name in ("bootstrapServers", "topic", "consumerGroup")}
    assert asked == {
        "bootstrapServers": settings.bootstrap_servers,
        "topic": settings.input_topic,
        "consumerGroup": settings.group_id,
    }
    assert trigger["metadata"]["sasl"] == str(settings.sasl_mechanism).lower().replace("-sha-", "_sha")
    assert trigger["metadata"]["allowIdleConsumers"] == "false", "a worker without a partition is never ready"


def test_the_scaler_scales_only_these_workers_with_their_login() -> None:
    scaled = one("ScaledObject", "overlays/keda")["spec"]
    workers = one("StatefulSet", "overlays/keda")
    [secret] = [volume["secret"] for volume in pod_of("overlays/keda")["volumes"] if "secret" in volume]
    login = one("TriggerAuthentication", "overlays/keda")
    assert scaled["scaleTargetRef"] == {"kind": "StatefulSet", "name": workers["metadata"]["name"]}
    assert "replicas" not in workers["spec"]
    assert scaled["triggers"][0]["authenticationRef"]["name"] == login["metadata"]["name"]
    assert {each["name"] for each in login["spec"]["secretTargetRef"]} == {secret["secretName"]}


def test_a_gpu_worker_has_a_gpu_and_refuses_to_do_without(tmp_path: Path) -> None:
    assert settings_of("overlays/gpu", tmp_path).device == "cuda"
    assert container_of("overlays/gpu")["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container_of("overlays/gpu")["image"] != container_of("base")["image"]


def test_prometheus_knows_the_workers_by_the_name_that_the_alerts_use() -> None:
    """Without a jobLabel the job is the name of the service."""
    service = one("Service", "overlays/monitoring")
    monitor = one("ServiceMonitor", "overlays/monitoring")["spec"]
    jobs = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    assert [job["job_name"] for job in jobs] == [service["metadata"]["name"]]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert [endpoint["port"] for endpoint in monitor["endpoints"]] == [
        port["name"] for port in service["spec"]["ports"]
    ]
    assert "jobLabel" not in monitor


def test_the_committed_alerts_are_the_generated_ones() -> None:
    assert RESOURCE.read_text("utf-8") == resource(), "stale: run `python -m deploy.kubernetes`"


def test_all_rules_are_in_the_operator_s_resource() -> None:
    texts = [path.read_text("utf-8") for path in sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))]
    groups = [group for text in texts for group in yaml.safe_load(text)["groups"]]
    assert one("PrometheusRule", "overlays/monitoring")["spec"]["groups"] == groups

"""Kubernetes' manifests as kustomize renders them, and the schemas that they must keep to."""

import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types

from tests.support.deployment import DEPLOY
from tests.support.go_modules import go_module

Json = dict[str, Any]

MANIFESTS = DEPLOY / "kubernetes"
KUSTOMIZE = (("kustomize", "build"), ("kubectl", "kustomize"))
RENDER_LIMIT_S = 30.0
CUSTOM = {  # which module has the definition of a kind that is not Kubernetes' own
    "keda.sh": ("github.com/kedacore/keda/v2", "v2.20.2", "config/crd/bases"),
    "monitoring.coreos.com": (
        "github.com/prometheus-operator/prometheus-operator",
        "v0.85.0",
        "example/prometheus-operator-crd",
    ),
}


@cache
def render(folder: Path) -> tuple[Json, ...]:
    """Every resource of a folder; skips the test where nothing can render it."""
    for program, verb in KUSTOMIZE:
        if shutil.which(program):
            command = [program, verb, str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=RENDER_LIMIT_S, check=False)
            assert done.returncode == 0, done.stderr
            return tuple(yaml.safe_load_all(done.stdout))
    pytest.skip("neither kustomize nor kubectl on this machine")


def is_custom(resource: Json) -> bool:
    """Whether its kind is not Kubernetes' own."""
    return str(resource["apiVersion"]).partition("/")[0] in CUSTOM


def check(resource: Json, kubernetes: str) -> None:
    """Fails when that version of Kubernetes would not take it, or would ignore a part of it."""
    kubernetes_validate.validate(resource, kubernetes, strict=True)


def check_custom(resource: Json) -> None:
    """As `check`, by the definition that the kind's own project publishes."""
    Draft202012Validator(_closed(_definition(resource))).validate(resource)


def _definition(resource: Json) -> Json:
    group, _, version = str(resource["apiVersion"]).partition("/")
    module, published, folder = CUSTOM[group]
    path = go_module(module, published) / folder / f"{group}_{resource['kind'].lower()}s.yaml"
    versions = yaml.safe_load(path.read_text("utf-8"))["spec"]["versions"]
    [schema] = [each["schema"]["openAPIV3Schema"] for each in versions if each["name"] == version]
    return dict(schema)


def _closed(schema: Any) -> Any:
    """The same schema, refusing fields that it does not name: Kubernetes drops those without a word."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(each) for name, each in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    return closed


def selectors(resource: Json) -> Iterator[Json]:
    """Each choice of pods by their labels that a resource makes."""
    spec = resource["spec"]
    if resource["kind"] == "Service":
        yield spec["selector"]
        return
    pod = spec.get("template", {}).get("spec", {})
    holders = [spec.get("selector"), spec.get("podSelector")]
    holders += [constraint["labelSelector"] for constraint in pod.get("topologySpreadConstraints", [])]
    yield from (holder.get("matchLabels", {}) for holder in holders if holder is not None)

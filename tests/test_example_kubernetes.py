"""The manifests for Kubernetes: what they set, mount and ask is what the simulator takes. They need no privilege."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from simulator.cli import main
from simulator.settings import DEFAULT_PORT, Settings
from tests.conftest import serving_process

MANIFESTS = Path(__file__).parents[1] / "examples" / "kubernetes" / "apio-simulator.yaml"
BY_KIND: dict[str, Any] = {each["kind"]: each for each in yaml.safe_load_all(MANIFESTS.read_text(encoding="utf-8"))}
FIXTURES, DEPLOYMENT, SERVICE = (BY_KIND[kind] for kind in ("ConfigMap", "Deployment", "Service"))
POD = DEPLOYMENT["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
PROBES = {name: CONTAINER[name] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
MIB = 1024 * 1024


def environment(namespace: str) -> dict[str, str]:
    """Return the variables of the container, as a cluster sets them."""
    values: dict[str, str] = {}
    for variable in CONTAINER["env"]:
        if variable.get("valueFrom") == {"fieldRef": {"fieldPath": "metadata.namespace"}}:
            values[variable["name"]] = namespace
        else:
            values[variable["name"]] = re.sub(r"\$\((\w+)\)", lambda found: values[found[1]], variable["value"])
    return values


def options() -> Mapping[str, Any]:
    """Return the options of `serve` with the variables of the container."""
    values = environment("tests")
    with pytest.MonkeyPatch.context() as patched:
        for name, value in values.items():
            patched.setenv(name, value)
        return main.commands["serve"].make_context("serve", []).params


def test_every_variable_is_an_option_of_serve() -> None:
    known = {parameter.envvar for parameter in main.commands["serve"].params}
    assert environment("tests").keys() - {"NAMESPACE"} <= known


def test_a_pod_of_it_starts_becomes_healthy_and_can_be_driven_under_the_names_of_the_service(tmp_path: Path) -> None:
    for name, content in FIXTURES["data"].items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    with serving_process(**environment("tests"), APIO_SIMULATOR_FIXTURES=str(tmp_path)) as server:
        for probe in PROBES.values():
            # The kubelet calls the address of the pod.
            answer = httpx.get(server.url + probe["httpGet"]["path"], headers={"Host": "10.244.0.7:4080"})
            assert answer.status_code == 200
        for name, status in [
            ("apio-simulator", 204),
            ("apio-simulator.tests", 204),
            ("apio-simulator.tests.svc.cluster.local", 204),
            ("apio-simulator.other.svc", 403),
        ]:
            answer = httpx.post(f"{server.url}/_simulator/reset", headers={"Host": f"{name}:4080"})
            assert answer.status_code == status, name
        capacities = "/api/v1/tenants/acme/groups/headquarters/services/call_capacities/"
        assert httpx.get(server.url + capacities).json()["call_capacities"][0]["name"] == "Reception"


def test_what_is_mounted_is_the_fixture_folder_of_the_image() -> None:
    (mount,), (volume,) = CONTAINER["volumeMounts"], POD["volumes"]
    assert "APIO_SIMULATOR_FIXTURES=/fixtures" in (MANIFESTS.parents[2] / "Dockerfile").read_text(encoding="utf-8")
    assert (mount["mountPath"], mount["name"]) == ("/fixtures", volume["name"])
    assert volume["configMap"]["name"] == FIXTURES["metadata"]["name"]


def test_the_service_leads_to_the_port_of_the_container() -> None:
    (port,), (exposed,) = SERVICE["spec"]["ports"], CONTAINER["ports"]
    assert (port["targetPort"], port["port"]) == (exposed["name"], exposed["containerPort"])
    assert exposed["containerPort"] == DEFAULT_PORT
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert SERVICE["spec"]["selector"] == DEPLOYMENT["spec"]["selector"]["matchLabels"] == labels
    assert {probe["httpGet"]["port"] for probe in PROBES.values()} == {exposed["name"]}


def test_the_pod_asks_for_no_privilege() -> None:
    assert POD["enableServiceLinks"] is False
    assert POD["automountServiceAccountToken"] is False
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_what_the_options_allow_fits_the_memory_limit_of_the_container() -> None:
    given = options()
    settings = Settings(**{name: given[name] for name in ("memory_limit", "max_state", "sandbox_limit")})
    # By docs/options.md: the process itself, 25 bytes for each byte of a large body, the same for three calls with up
    # to 1 MiB, and the coverage of each sandbox.
    most = 45 * MIB + settings.memory_limit + 25 * (settings.max_state + 3 * MIB) + settings.sandbox_limit * MIB // 4
    limit = CONTAINER["resources"]["limits"]["memory"]
    assert most <= int(limit.removesuffix("Mi")) * MIB
    # With less than half of it, the limits would be stricter than they have to be.
    assert most > int(limit.removesuffix("Mi")) * MIB // 2


@pytest.mark.examples
def test_a_misspelt_field_is_found_by_the_schemas_of_kubernetes() -> None:
    from kubernetes_validate import ValidationError, validate

    for manifest in BY_KIND.values():
        validate(manifest, "1.37", strict=True)
        wrong = copy.deepcopy(manifest)
        wrong["metadata"]["lables"] = {}
        with pytest.raises(ValidationError, match="lables"):
            validate(wrong, "1.37", strict=True)

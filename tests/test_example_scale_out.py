"""The files of examples/scale-out agree with each other, with the simulator, and with examples/kubernetes."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from simulator.cli import main
from simulator.contract.ledger import load_ledger
from simulator.settings import DEFAULT_PORT
from tests.test_example_kubernetes import CONTAINER, POD

FOLDER = Path(__file__).parents[1] / "examples" / "scale-out"
HAPROXY, NGINX, README = (
    (FOLDER / name).read_text(encoding="utf-8") for name in ("haproxy.cfg", "nginx.conf", "README.md")
)
MANIFESTS: list[Any] = list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text(encoding="utf-8")))
BY_NAME = {(each["kind"], each["metadata"]["name"]): each for each in MANIFESTS}
REPLICAS = BY_NAME["StatefulSet", "apio-simulator"]["spec"]
PROXY = BY_NAME["Deployment", "apio-simulator-proxy"]["spec"]
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))["services"]
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
VARIABLES = set(re.findall(r"\$\{(\w+)-", HAPROXY))
SERVERS = re.findall(r"^ +server (\w+) ", HAPROXY, re.MULTILINE)


def variables(container: Any) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container["env"]}


def test_haproxy_knows_each_server_by_the_name_under_which_it_can_be_asked() -> None:
    assert SERVERS == ["r1", "r2", "r3"]
    (named,) = re.findall(r"var\(txn\.replica\) -m str ([\w ]+) }", HAPROXY)
    assert named.split() == SERVERS
    numbers = re.findall(r"^ +server (\w+) \S+ id (\d+)$", HAPROXY, re.MULTILINE)
    stays = re.findall(r"var\(txn\.home\) -m int (\d+) } { srv_is_up\(replicas/(\w+)\) }", HAPROXY)
    assert [(name, number) for number, name in stays] == numbers
    assert [name for name, _ in numbers] == SERVERS


def test_every_answer_of_haproxy_itself_has_the_shape_of_errors_and_names_a_rule() -> None:
    bodies = re.findall(r"(?:status (\d+)) content-type application/json string '(.*?)'", HAPROXY)
    assert [status for status, _ in bodies] == ["503", "404", "405"]
    for status, body in bodies:
        (error,) = json.loads(body)["errors"]
        assert set(error) == {"code", "message", "details"}
        assert error["code"] // 100 == int(status)
        assert error["details"]["rule"] in load_ledger()


def test_compose_and_the_cluster_set_the_variables_of_haproxy_only() -> None:
    (container,) = PROXY["template"]["spec"]["containers"]
    for given in (COMPOSE["simulator"]["environment"], variables(container)):
        assert {name.upper() for name in SERVERS} < given.keys() - {"NAMESPACE"} <= VARIABLES


def test_in_compose_the_proxy_leads_to_every_replica() -> None:
    replicas = [name for name in COMPOSE if name.startswith("replica-")]
    proxy = COMPOSE["simulator"]
    addresses = [proxy["environment"][name.upper()] for name in SERVERS]
    assert addresses == [f"{name}:{DEFAULT_PORT}" for name in replicas]
    assert list(proxy["depends_on"]) == replicas
    assert [port.rpartition(":")[2] for port in proxy["ports"]] == [
        proxy["environment"][name].rpartition(":")[2] for name in ("BIND", "ADMIN")
    ]
    known = {parameter.envvar for parameter in main.commands["serve"].params}
    for name in replicas:
        assert COMPOSE[name]["environment"].keys() <= known
        assert COMPOSE[name]["environment"]["APIO_SIMULATOR_SANDBOXES"] == "created"


def test_nginx_leads_to_the_replicas_of_compose() -> None:
    for upstream in re.findall(r"upstream \w+ {(.*?)}", NGINX, re.DOTALL):
        servers = re.findall(r"server (\S+) max_fails=0;", upstream)
        assert servers == [f"{name}:{DEFAULT_PORT}" for name in COMPOSE if name.startswith("replica-")]


def test_each_pod_of_a_replica_is_that_of_the_example_for_one_simulator() -> None:
    pod = copy.deepcopy(REPLICAS["template"]["spec"])
    (container,) = pod.pop("containers")
    del pod["topologySpreadConstraints"]
    single = {name: value for name, value in POD.items() if name not in ("containers", "volumes")}
    assert pod == single
    added = [each for each in container.pop("env") if each not in CONTAINER["env"]]
    assert [(each["name"], each["value"]) for each in added] == [("APIO_SIMULATOR_SANDBOXES", "created")]
    assert container == {name: value for name, value in CONTAINER.items() if name not in ("env", "volumeMounts")}


def test_the_proxy_finds_each_pod_by_the_name_that_stays() -> None:
    (container,) = PROXY["template"]["spec"]["containers"]
    headless = BY_NAME["Service", REPLICAS["serviceName"]]["spec"]
    assert headless["clusterIP"] == "None"
    domain = f"{REPLICAS['serviceName']}.$(NAMESPACE).svc.cluster.local:{DEFAULT_PORT}"
    assert [variables(container)[name.upper()] for name in SERVERS] == [
        f"apio-simulator-{number}.{domain}" for number in range(REPLICAS["replicas"])
    ]


def test_the_labels_lead_to_the_replicas_or_to_the_proxy() -> None:
    for workload in (REPLICAS, PROXY):
        assert workload["selector"]["matchLabels"] == workload["template"]["metadata"]["labels"]
    replica, proxy = (each["selector"]["matchLabels"] for each in (REPLICAS, PROXY))
    assert replica != proxy
    assert BY_NAME["Service", REPLICAS["serviceName"]]["spec"]["selector"] == replica
    assert BY_NAME["PodDisruptionBudget", "apio-simulator"]["spec"]["selector"]["matchLabels"] == replica
    assert BY_NAME["Service", "apio-simulator"]["spec"]["selector"] == proxy


def test_the_proxy_in_the_cluster_gets_haproxy_cfg_itself() -> None:
    (generated,) = KUSTOMIZATION["configMapGenerator"]
    assert generated["files"] == ["haproxy.cfg"]
    assert KUSTOMIZATION["resources"] == ["kubernetes.yaml"]
    # Without that, the name in the Deployment would change, and a reload in place would not be possible.
    assert KUSTOMIZATION["generatorOptions"] == {"disableNameSuffixHash": True}
    (volume,) = PROXY["template"]["spec"]["volumes"]
    assert volume["configMap"]["name"] == generated["name"]


def test_the_readme_names_the_codes_and_the_ports_of_the_files() -> None:
    for text in ("50302", "40404", "r1 r2 r3"):
        assert text in README
    for address in re.findall(r"-127\.0\.0\.1:(40\d\d|8404)}", HAPROXY):
        assert address in README or address in ("4082", "4099")


@pytest.mark.examples
def test_a_misspelt_field_is_found_by_the_schemas_of_kubernetes() -> None:
    from kubernetes_validate import ValidationError, validate

    for manifest in MANIFESTS:
        validate(manifest, "1.37", strict=True)
        wrong = copy.deepcopy(manifest)
        wrong["metadata"]["lables"] = {}
        with pytest.raises(ValidationError, match="lables"):
            validate(wrong, "1.37", strict=True)

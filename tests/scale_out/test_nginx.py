"""Three replicas behind NGINX with its file in examples/scale-out: routing, faults, and a replica that dies."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import httpx
import pytest

from simulator import Simulator
from tests.conftest import CAPACITIES, wait_until
from tests.scale_out.conftest import PUBLIC_NAME, Clients, names
from tools.benchmarks.fleet import NAMES, Replicas, nginx
from tools.contract_checks.check import Skipped


@pytest.fixture(scope="module")
def clients(replicas: Replicas) -> Iterator[Clients]:
    replicas.start(*NAMES)
    try:
        with nginx(replicas) as url, Clients(url) as clients:
            yield clients
    except Skipped as skipped:
        pytest.skip(str(skipped))


def living(replicas: Replicas) -> dict[str, set[str]]:
    """Return the sandboxes that live on each replica that runs."""
    found = {}
    for name, replica in replicas.running.items():
        listed = httpx.get(f"{replica.url}/_simulator/sandboxes").json()["sandboxes"]
        found[name] = {each["name"] for each in listed}
    return found


def test_each_sandbox_lives_on_one_replica(clients: Clients, replicas: Replicas) -> None:
    everybody = names("routed", 60)
    clients.create(*everybody)
    assert all(map(clients.has_its_own_world, everybody))
    homes = living(replicas)
    assert all(len(set(everybody) & of_one) > 0 for of_one in homes.values())
    assert sum(len(set(everybody) & of_one) for of_one in homes.values()) == len(everybody)
    for name in everybody:
        assert clients.control("another", "DELETE", f"sandboxes/{name}").status_code == 204
    assert not set(everybody) & set().union(*living(replicas).values())


def test_the_library_works_and_is_told_of_calls_as_they_come(clients: Clients) -> None:
    with Simulator.connect(clients.url).sandbox() as sandbox:
        clients.call(sandbox.name)
        assert sandbox.wait_for(operationId="listCallCapacities", timeout=30)["status"] == 200
    with clients.http.stream("GET", "/_simulator/events") as stream:
        assert next(stream.iter_lines()).startswith(("event: hello", "retry:", "id:", ":"))


@pytest.mark.parametrize(("name", "status"), [(PUBLIC_NAME, 200), ("elsewhere.test", 403)])
def test_the_control_interface_answers_under_the_public_name_only(clients: Clients, name: str, status: int) -> None:
    assert clients.control("default", "GET", "state", headers={"Host": f"{name}:4080"}).status_code == status


def test_an_aborted_call_is_a_closed_connection_and_takes_no_replica_out(clients: Clients) -> None:
    everybody = names("beside", 9)
    clients.create("aborted", *everybody)
    clients.control("aborted", "POST", "faults", json={"operationId": "updateCallCapacity", "abort": "close"})
    for _ in range(10):
        with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending a response"):
            clients.call("aborted", "PUT", f"{CAPACITIES}Reception/", json={"maxCalls": 9})
    assert all(map(clients.has_its_own_world, everybody))
    assert clients.control("aborted", "GET", "requests", params={"method": "PUT"}).json()["total"] == 10


def test_after_a_kill_the_others_go_on_and_the_lost_ones_are_told(clients: Clients, replicas: Replicas) -> None:
    everybody = names("died", 30)
    clients.create(*everybody)
    homes = living(replicas)
    replicas.end("r1", signal.SIGKILL)
    lost = sorted(set(everybody) & homes["r1"])
    assert lost
    for name in lost:
        with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending a response"):
            clients.call(name)
    assert all(clients.has_its_own_world(name) for name in everybody if name not in lost)
    assert {clients.http.get("/_simulator/health").status_code for _ in range(6)} == {200}
    replicas.start("r1")
    wait_until(lambda: clients.call(lost[0]).status_code == 404)
    assert {clients.call(name).json()["errors"][0]["code"] for name in lost} == {40404}

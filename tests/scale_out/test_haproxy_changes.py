"""Replicas behind HAProxy that are drained, join, are stopped or die: what stays, and how a loss is told."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from simulator import Simulator
from tests.conftest import CAPACITIES, faults, wait_until
from tests.scale_out.conftest import UP, Clients, Fleet, names
from tools.benchmarks.fleet import EXAMPLE


class TestChanges:
    """Drain, growth and reload: every sandbox stays where it is."""

    def test_a_drained_replica_keeps_its_sandboxes_and_gets_no_new_ones(self, fleet: Fleet) -> None:
        old, new = names("old", 30), names("new", 30)
        fleet.create(*old)
        homes = {name: fleet.home(name) for name in old}
        assert "r1" in homes.values()
        fleet.proxy.order("r1", "drain")
        fleet.proxy.until(r1="DRAIN")
        fleet.create(*new)
        assert all(map(fleet.has_its_own_world, old + new))
        assert {name: fleet.home(name) for name in old} == homes
        assert {fleet.home(name) for name in new} == {"r2", "r3"}
        fleet.proxy.order("r1", "ready")
        fleet.proxy.until(r1="UP")
        assert all(map(fleet.has_its_own_world, old + new))

    def test_a_sandbox_that_is_created_again_stays_on_its_replica(self, fleet: Fleet) -> None:
        everybody = names("again", 30)
        fleet.create(*everybody)
        homes = {name: fleet.home(name) for name in everybody}
        fleet.proxy.order("r1", "drain")
        fleet.proxy.until(r1="DRAIN")
        fleet.create(*everybody)
        assert {name: fleet.home(name) for name in everybody} == homes
        fleet.proxy.order("r1", "ready")
        fleet.proxy.until(r1="UP")
        refused = fleet.http.put("/_replicas/r1/_simulator/sandboxes/beside")
        assert (refused.status_code, faults(refused)) == (405, {("G-17", None)})

    def test_a_third_replica_and_a_reload_under_load_move_nothing(self, fleet: Fleet) -> None:
        fleet.end("r3", signal.SIGTERM)
        old, new = names("before", 40), names("after", 30)
        fleet.create(*old)
        homes = {name: fleet.home(name) for name in old}
        assert set(homes.values()) == {"r1", "r2"}
        fleet.replicas.start("r3")
        fleet.proxy.until(r3="UP")
        assert all(map(fleet.has_its_own_world, old))
        fleet.create(*new)
        assert "r3" in map(fleet.home, new)
        is_over = threading.Event()
        failures: list[str] = []
        rounds: list[int] = []

        def load(some: list[str]) -> None:
            while not is_over.is_set():
                # New connections: one that is open stays with the old process.
                try:
                    with Clients(fleet.url) as clients:
                        failures.extend(name for name in some if not clients.has_its_own_world(name))
                except httpx.HTTPError as error:
                    failures.append(repr(error))
                rounds.append(len(some))

        # While the new process learns where the old ones are, for some milliseconds, it leads them by their names.
        threads = [threading.Thread(target=load, args=[new[start::2]]) for start in range(2)]
        for thread in threads:
            thread.start()
        try:
            fleet.proxy.reload()
            seen = len(rounds)
            wait_until(lambda: len(rounds) > seen + 4)
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        assert failures == []
        wait_until(lambda: all(map(fleet.has_its_own_world, old + new)))
        assert {name: fleet.home(name) for name in old} == homes


class TestEnds:
    """Replicas that end: what was lost is told, and everything else goes on."""

    def test_after_a_kill_the_lost_sandboxes_are_told_and_the_others_go_on(self, fleet: Fleet) -> None:
        everybody = names("killed", 40)
        fleet.create(*everybody)
        homes = {name: fleet.home(name) for name in everybody}
        # The replica of the default sandbox also answers for the health. Clients must find another one.
        dead = fleet.home("default")
        lost = [name for name in everybody if homes[name] == dead]
        others = [name for name in everybody if homes[name] != dead]
        assert lost
        fleet.replicas.end(dead, signal.SIGKILL)

        def lost_ones_are_told() -> None:
            for name in lost:
                for answer in (fleet.call(name), fleet.control(name, "POST", "reset")):
                    assert (answer.status_code, faults(answer)) == (503, {("G-17", None)})
                    assert answer.headers["X-Simulator-Replica"] == dead

        lost_ones_are_told()
        assert all(map(fleet.has_its_own_world, others))
        fleet.proxy.until(**{dead: "DOWN"})
        lost_ones_are_told()
        simulator = Simulator.connect(fleet.url, timeout=30)
        for _ in range(9):
            with simulator.sandbox() as sandbox:
                assert fleet.call(sandbox.name).status_code == 200
        moved, left = lost[:2], lost[2:]
        fleet.create(*moved)
        fleet.replicas.start(dead)
        fleet.proxy.until(**{dead: "UP"})
        # No answer comes from a seed in the place of a lost world.
        for name in left:
            for answer in (fleet.call(name), fleet.control(name, "GET", "state"), fleet.control(name, "POST", "reset")):
                assert (answer.status_code, answer.json()["errors"][0]["code"]) == (404, 40404)
        assert all(map(fleet.has_its_own_world, others + moved))
        assert dead not in {fleet.home(name) for name in moved}

    def test_a_replica_that_is_stopped_loses_no_answer_silently(self, fleet: Fleet) -> None:
        fleet.create("stopped")
        home = fleet.home("stopped")
        for operation, delay in (("createCallCapacity", 200), ("getCallCapacity", 60_000)):
            fleet.control("stopped", "POST", "faults", json={"operationId": operation, "delayMs": delay})

        def call(number: int) -> int | str:
            with Clients(fleet.url) as clients:
                try:
                    if number % 2:
                        return clients.call("stopped", path=f"{CAPACITIES}Reception/").status_code
                    new = {"name": f"new-{number}", "isDefault": False, "maxCalls": 1}
                    answer = clients.call("stopped", "POST", json=new)
                    return answer.status_code if answer.json().get("name") == new["name"] else answer.text
                except httpx.HTTPError as error:
                    return type(error).__name__

        def hits() -> int:
            return sum(each["hits"] for each in fleet.control("stopped", "GET", "faults").json()["faults"])

        with ThreadPoolExecutor(100) as pool:
            outcomes = pool.map(call, range(100))
            wait_until(lambda: hits() == 100)
            fleet.end(home, signal.SIGTERM)
            found = list(outcomes)
        # What was begun and could be answered in time was answered. What could not was cut off, visibly.
        assert set(found[::2]) == {201}
        assert set(found[1::2]) == {"RemoteProtocolError"}
        assert fleet.call("stopped").status_code == 503


def test_the_commands_of_the_readme_ask_and_drain_replicas(fleet: Fleet) -> None:
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n((?:(?:curl|apio-simulator) .*\n)+)```", readme)
    assert len(blocks) == 2
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    addresses = {"http://127.0.0.1:4080": fleet.url, "http://127.0.0.1:8404/": fleet.proxy.admin}
    states = set()
    for command in "".join(blocks).splitlines():
        for shown, address in addresses.items():
            command = command.replace(shown, address)
        environment = {**os.environ, "PATH": programs}
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=environment, timeout=30)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        states.add(fleet.proxy.states()["r1"])
    assert states == {"UP", "DRAIN"}
    assert fleet.proxy.states() == UP

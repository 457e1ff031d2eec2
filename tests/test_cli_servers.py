"""The commands `coverage` and `requests` ask several servers, such as replicas behind a proxy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from simulator.app import Simulation
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import CAPACITIES, Finished, run, served

RECEPTION = f"/api/v1/{CAPACITIES}Reception/"


@pytest.fixture
def two(simulation: Simulation, world: World) -> Iterator[tuple[str, str]]:
    """The addresses of two servers: the sandbox `mine` is on the first, and `both` is on both."""
    with served(simulation.app(world)) as one, served(simulation.app(world)) as other:
        for url, names in ((one.url, ("mine", "both")), (other.url, ("both",))):
            for name in names:
                httpx.put(f"{url}/_simulator/sandboxes/{name}").raise_for_status()
        yield one.url, other.url


def about(urls: tuple[str, ...], *more: str) -> list[str]:
    return [part for url in urls for part in ("--url", url)] + list(more)


def call(url: str, *, sandbox: str, method: str = "GET", path: str = RECEPTION) -> None:
    # The journal has times in milliseconds.
    time.sleep(0.002)
    httpx.request(method, f"{url}/_sandboxes/{sandbox}{path}")


def done_json(*arguments: str) -> Any:
    done = run(*arguments, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.rule("S-8")
class TestCoverage:
    def test_it_adds_up_what_was_called_on_each(self, two: tuple[str, str]) -> None:
        one, other = two
        for url in (one, one, other):
            call(url, sandbox="both")
        call(other, sandbox="both", method="DELETE")
        call(one, sandbox="mine", path="/nowhere")
        found = done_json("coverage", *about(two, "--sandbox", "*"))
        hits = {each["operationId"]: each["hits"] for each in found["operations"] if each["hits"]}
        assert (found["sandbox"], hits) == ("*", {"getCallCapacity": 3, "deleteCallCapacity": 1})
        assert [each["hits"] for each in found["undocumented"]] == [1]
        assert found["totals"]["operationsHit"] == 2
        assert run("coverage", *about(two, "--sandbox", "both", "--fail-under", "10")).returncode == 0
        assert run("coverage", *about((one,), "--sandbox", "both", "--fail-under", "10")).returncode == 1

    def test_a_server_that_is_given_twice_counts_once(self, two: tuple[str, str]) -> None:
        one, other = two
        call(one, sandbox="both")
        found = done_json("coverage", *about((one, other, f"{one}/"), "--sandbox", "both"))
        assert sum(each["hits"] for each in found["operations"]) == 1

    def test_the_variable_may_name_several_too(self, two: tuple[str, str]) -> None:
        for url in two:
            call(url, sandbox="both")
        done = run("coverage", "--format", "json", "--sandbox", "*", APIO_SIMULATOR_URL=" ".join(two))
        assert sum(each["hits"] for each in json.loads(done.stdout)["operations"]) == 2


@pytest.mark.rule("S-7")
class TestRequests:
    def test_it_shows_the_calls_in_the_order_of_their_time_each_with_its_server(self, two: tuple[str, str]) -> None:
        one, other = two
        for url, method in [(one, "GET"), (other, "DELETE"), (one, "PUT"), (other, "PATCH")]:
            call(url, sandbox="both", method=method)
        asked = ("requests", *about(two, "--sandbox", "both"))
        found = done_json(*asked)
        assert found.keys() == {"total", "requests"}
        assert found["total"] == 4
        expected = [(one, "GET"), (other, "DELETE"), (one, "PUT"), (other, "PATCH")]
        assert [(each["server"], each["method"]) for each in found["requests"]] == expected
        newest = done_json(*asked, "--limit", "2")
        assert [each["method"] for each in newest["requests"]] == ["PUT", "PATCH"]
        assert done_json(*asked, "--limit", "0") == {"total": 4, "requests": []}
        lines = [line for line in run(*asked).stdout.splitlines() if f" {RECEPTION} " in line]
        assert [line.rpartition(" at ")[2] for line in lines] == [one, other, one, other]
        (deleted,) = done_json(*asked, "--status", "200", "--operation", "deleteCallCapacity")["requests"]
        assert deleted["server"] == other

    def test_of_one_server_the_answer_is_what_the_server_says(self, two: tuple[str, str]) -> None:
        call(two[0], sandbox="mine")
        answer = httpx.get(f"{two[0]}/_sandboxes/mine/_simulator/requests").json()
        assert done_json("requests", *about(two[:1], "--sandbox", "mine")) == answer
        assert " at " not in run("requests", *about(two[:1], "--sandbox", "mine")).stdout

    def test_it_follows_one_server_only(self, two: tuple[str, str]) -> None:
        result = run("requests", "--follow", *about(two))
        assert (result.returncode, result.stdout) == (2, "")
        assert "--follow shows the new calls of one server; give --url once" in result.stderr


@pytest.mark.parametrize("command", ["coverage", "requests"])
class TestWhatIsMissing:
    def test_a_sandbox_that_is_on_one_server_is_found_there(self, two: tuple[str, str], command: str) -> None:
        call(two[0], sandbox="mine")
        for urls in (two, two[::-1]):
            done = run(command, *about(urls, "--sandbox", "mine"))
            assert (done.returncode, done.stderr) == (0, "")
            assert "1  200 (1)" in done.stdout or RECEPTION in done.stdout

    def test_one_that_is_on_none_is_an_error(self, two: tuple[str, str], command: str) -> None:
        done = run(command, *about(two, "--sandbox", "nobodys"))
        why = "none of the 2 servers has the sandbox: there is no such sandbox: 'nobodys' (G-17)"
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"apio-simulator: {why}\n")

    @pytest.mark.parametrize("order", [lambda urls: urls, lambda urls: urls[::-1]], ids=["last", "first"])
    def test_a_server_that_does_not_answer_is_an_error_and_nothing_is_printed(
        self, two: tuple[str, str], command: str, order: Callable[[tuple[str, ...]], tuple[str, ...]]
    ) -> None:
        nobody = "http://127.0.0.1:1"
        done: Finished = run(command, *about(order((*two, nobody)), "--sandbox", "both"))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"apio-simulator: no simulator answers at {nobody}: ")

    def test_a_server_that_refuses_is_named(
        self, two: tuple[str, str], simulation: Simulation, world: World, command: str
    ) -> None:
        with served(simulation.app(world, Settings(control_token="t"))) as closed:
            done = run(command, *about((*two, closed.url)))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"apio-simulator: {closed.url}: the simulator runs with --control-token")

    def test_a_replica_behind_a_proxy_is_a_server_too(
        self, two: tuple[str, str], simulation: Simulation, world: World, command: str
    ) -> None:
        app = simulation.app(world)

        def proxy(environ: Any, start_response: Any) -> Any:
            path = environ["PATH_INFO"]
            assert path.startswith("/_replicas/r-1/")
            return app.wsgi_app({**environ, "PATH_INFO": path.removeprefix("/_replicas/r-1")}, start_response)

        with served(proxy) as behind:
            done = run(command, *about((f"{behind.url}/_replicas/r-1/", two[0])))
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["reset", "wait", "sandbox list"])
def test_a_command_for_one_server_refuses_a_second_address(two: tuple[str, str], command: str) -> None:
    result = run(*command.split(), *about(two))
    assert result.returncode == 2
    assert "this command talks to one server; give --url once" in result.stderr


def test_an_address_with_a_password_is_refused() -> None:
    result = run("reset", "--url", "http://user:secret@127.0.0.1:4080")
    assert result.returncode == 2
    assert "is no address of a server" in result.stderr

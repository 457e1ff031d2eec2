"""The loads that wrk puts on the servers, and the rounds in which the servers take turns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count

from tools.benchmarks.figures import RATES, Results
from tools.benchmarks.peers import CHANGES, CREATES, SANDBOXES, TITLES, Peer, peers
from tools.benchmarks.processes import Running, answer
from tools.benchmarks.worlds import GROUP, HUNDRED, ONE, SCRATCH, collection
from tools.benchmarks.wrk import Load, Outcome, put_load
from tools.contract_checks.check import Failed, Skipped, needs

INSTANCE = f"{collection(GROUP)}{ONE}/"
MANY_CONNECTIONS, MANY_SANDBOXES = 1_000, 50
LEFT_OVER = 100
"""How many of the last created names may be left at the end of a run."""

_run = count(1)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A load, and the abilities that a server needs for it."""

    load: Load
    asks: frozenset[str] = frozenset()


SCENARIOS: Mapping[str, Scenario] = {
    "get": Scenario(Load(INSTANCE)),
    "list": Scenario(Load(collection(GROUP))),
    "put": Scenario(Load(INSTANCE, script="put.lua")),
    "create-delete": Scenario(
        Load("/", script="create_delete.lua", arguments=(collection(SCRATCH),)), frozenset({CREATES})
    ),
    "mix": Scenario(Load("/", script="mix.lua", arguments=(collection(HUNDRED),)), frozenset({CHANGES})),
    "one-connection": Scenario(Load(INSTANCE, connections=1)),
    "new-connections": Scenario(Load(INSTANCE, header="Connection: close")),
    "many-connections": Scenario(
        Load("/", MANY_CONNECTIONS, "sandboxes.lua", (INSTANCE, str(MANY_SANDBOXES))), frozenset({SANDBOXES})
    ),
}


def measure(results: Results, *, quick: bool) -> None:
    """Start all servers, and measure each scenario in turn on the servers that are able to. Raises `Skipped`."""
    seconds, rounds = (1.0, 1) if quick else (3.0, 3)
    needs("wrk")
    known = peers()
    with ExitStack() as stack:
        servers = dict(_started(known, results, stack))
        for name, scenario in SCENARIOS.items():
            able = {key: server for key, server in servers.items() if scenario.asks <= known[key].can}
            for key, server in able.items():
                _attempt(results, name, key, server, 1.0 if quick else known[key].warm_up_seconds, keep=False)
            for _ in range(rounds):
                for key, server in able.items():
                    _attempt(results, name, key, server, seconds)
            _tell(results, name)


def _started(known: Mapping[str, Peer], results: Results, stack: ExitStack) -> Iterable[tuple[str, Running]]:
    for key, peer in known.items():
        try:
            server = stack.enter_context(peer.serving())
            check(server, peer)
            yield key, server
        except Skipped as skipped:
            results.skipped[TITLES[key]] = str(skipped)
        except Failed as failed:
            results.failed[TITLES[key]] = str(failed)


def _attempt(results: Results, name: str, key: str, server: Running, seconds: float, *, keep: bool = True) -> None:
    """Measure a scenario once on a server. After a failure, the server has no figures for the scenario."""
    place = f"{RATES[name].title}: {TITLES[key]}"
    if place in results.failed:
        return
    before = server.cpu_seconds()
    try:
        done = load(name, server, seconds)
    except Failed as failed:
        results.failed[place] = str(failed)
        results.figures.get(name, {}).pop(key, None)
        return
    if keep:
        results.add(name, key, done.rate)
        if name == "get":
            results.add("p99", key, done.p99_ms)
            results.add("cpu", key, (server.cpu_seconds() - before) / done.requests * 1e6)


def load(name: str, server: Running, seconds: float) -> Outcome:
    """Put the load of a scenario on a server. Raises `Failed` if not every answer is a success."""
    scenario = SCENARIOS[name]
    if CREATES not in scenario.asks:
        return put_load(server.url, scenario.load, seconds)
    beginning = f"run-{next(_run)}-"
    done = put_load(server.url, scenario.load, seconds, [beginning])
    last = done.printed("Created")
    for number in range(max(1, last - LEFT_OVER), last + 1):
        answer(server.port, "DELETE", f"{collection(SCRATCH)}{beginning}{number}/")
    return done


def check(server: Running, peer: Peer) -> None:
    """Send each kind of request once. Raises `Failed` if a server does not do what will be measured."""
    name, body = "checked", b'{"maxCalls": 6, "maxIncomingCalls": null}'
    _expect(server, "GET", INSTANCE, 200, ONE)
    _expect(server, "GET", collection(GROUP), 200, ONE)
    _expect(server, "PUT", INSTANCE, 200, ONE, body)
    if CHANGES in peer.can:
        _expect(server, "GET", INSTANCE, 200, '"maxCalls":6')
        _expect(server, "GET", f"{collection(HUNDRED)}instance-100/", 200, "instance-100")
    if CREATES in peer.can:
        content = json.dumps({"name": name, "isDefault": False, "maxCalls": 5}).encode()
        _expect(server, "POST", collection(SCRATCH), 201, name, content)
        _expect(server, "GET", f"{collection(SCRATCH)}{name}/", 200, name)
        _expect(server, "DELETE", f"{collection(SCRATCH)}{name}/", 200, "")
        _expect(server, "GET", f"{collection(SCRATCH)}{name}/", 404, "")
    stays = [answer(server.port, "GET", INSTANCE, close=close).stays for close in (False, True)]
    if stays != [True, False]:
        raise Failed(f"keeps a connection open that may stay, or that is to be closed: {stays}")


def _expect(server: Running, method: str, path: str, status: int, part: str, body: bytes | None = None) -> None:
    got = answer(server.port, method, path, body)
    if got.status != status or part not in got.body.decode().replace('": ', '":'):
        raise Failed(f"{method} {path}: {got.status} {got.body!r}, not {status} with {part}")


def _tell(results: Results, name: str) -> None:
    """Print the figures of a scenario at once, because a run takes minutes."""
    print(f"{RATES[name].title}", flush=True)
    for key in results.figures.get(name, {}):
        print(f"  {TITLES[key]:<26} {results.median(name, key):>10,.0f}/s", flush=True)

"""Measure, as ratios of things timed in turn within one run: single figures of a noisy machine mean nothing.

make bench
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

from flask import Flask, Response

from simulator.app import Simulation
from simulator.directory import User
from simulator.settings import Settings
from simulator.state.world import World

PATH = "/api/v1/tenants/foo/groups/foogroup/services/call_capacities/Reception/"
ROUNDS, CALLS = 15, 300


def bare_flask(answer: bytes) -> Flask:
    """The least that Flask can do: one rule of the same shape, a constant answer."""
    app = Flask("bare", static_folder=None)
    rule = "/api/v1/tenants/<a>/groups/<b>/services/call_capacities/<c>/"
    app.add_url_rule(rule, view_func=lambda **_: Response(answer, content_type="application/json"), endpoint="constant")
    return app


def caller(app: Flask, method: str, body: bytes = b"") -> Callable[[], object]:
    """A call of the WSGI application itself, without a server or a client around it."""
    from io import BytesIO

    from werkzeug.test import create_environ

    template = create_environ(PATH, method=method, data=body, content_type="application/json")

    def call() -> object:
        environ = {**template, "wsgi.input": BytesIO(body)}
        return b"".join(app.wsgi_app(environ, lambda *_: lambda _: None))

    return call


def compare(title: str, subject: Callable[[], object], base: Callable[[], object], of: str, calls: int = CALLS) -> None:
    """Time both in turn and print the median of the ratios."""

    def seconds(work: Callable[[], object]) -> float:
        began = time.perf_counter()
        for _ in range(calls):
            work()
        return (time.perf_counter() - began) / calls

    seconds(subject), seconds(base)
    pairs = [(seconds(subject), seconds(base)) for _ in range(ROUNDS)]
    ratio = statistics.median(one / other for one, other in pairs)
    micro = [statistics.median(column) * 1e6 for column in zip(*pairs, strict=True)]
    print(f"{title}: {ratio:.2f} times {of}  ({micro[0]:.0f} µs against {micro[1]:.0f} µs)")


def enlarged(world: World, users: int) -> World:
    """The world with so many users more, all in the group that the benchmark writes to."""
    directory = world.directory
    tenant = directory.tenants["foo"]
    group = tenant.groups["foogroup"]
    more = {
        (user_id := f"extra{number}@sip.netaxis.be"): User(
            tenant_id="foo",
            group_id="foogroup",
            user_id=user_id,
            first_name="E",
            last_name="X",
            services=("Executive",),
        )
        for number in range(users)
    }
    group = replace(group, users={**group.users, **more})
    tenant = replace(tenant, groups={**tenant.groups, "foogroup": group}, users={**tenant.users, **more})
    states = world.states
    for user_id in more:
        states = states.insert(("executive", "foo", "foogroup", user_id), object())
    return replace(world, directory=replace(directory, tenants={**directory.tenants, "foo": tenant}), states=states)


def poster(app: Flask, path: str) -> Callable[[], object]:
    """A call of the control interface that has no body."""
    from werkzeug.test import create_environ

    template = create_environ(path, method="POST")
    return lambda: b"".join(app.wsgi_app({**template}, lambda *_: lambda _: None))


def memory(simulation: Simulation, world: World, sandboxes: int = 1_000) -> None:
    """What a sandbox takes: one that was only looked at, and one in which ten calls changed something."""
    app = simulation.app(world)
    client = app.test_client()
    client.get(f"/_sandboxes/warm{PATH}")
    tracemalloc.start()
    for calls, title in ((0, "untouched"), (10, "after ten calls that change something")):
        before = tracemalloc.get_traced_memory()[0]
        for number in range(sandboxes):
            name = f"s{calls}-{number}"
            client.put(f"/_simulator/sandboxes/{name}")
            for call in range(calls):
                client.put(f"/_sandboxes/{name}{PATH}", json={"maxCalls": call})
        gc.collect()
        each = (tracemalloc.get_traced_memory()[0] - before) / sandboxes / 1024
        print(f"memory of a sandbox, {title}: {each:.1f} KiB")
        for number in range(sandboxes):
            client.delete(f"/_simulator/sandboxes/s{calls}-{number}")
    tracemalloc.stop()


FIRST_ANSWER = f"""
import time
import simulator.app, simulator.server
from urllib.request import urlopen
from simulator import Simulator

for _ in range(2):
    began = time.perf_counter()
    with Simulator() as simulator:
        urlopen(simulator.url + {PATH!r}).read()
        print(time.perf_counter() - began)
"""


def start() -> None:
    """The library's server, from a new interpreter, from the call of `start`, and once more in the same process."""
    python = [sys.executable, "-c"]
    compare(
        "library server, two of them one after the other in a new interpreter",
        lambda: subprocess.run([*python, FIRST_ANSWER], check=True, stdout=subprocess.DEVNULL),
        lambda: subprocess.run([*python, "import flask"], check=True),
        "`import flask`",
        calls=1,
    )
    runs = [subprocess.run([*python, FIRST_ANSWER], check=True, capture_output=True).stdout for _ in range(ROUNDS)]
    first, second = (statistics.median(times) for times in zip(*(map(float, run.split()) for run in runs), strict=True))
    print(f"library server, from start to the first answer over HTTP, once imported: {1000 * first:.0f} ms")
    print(f"library server, a second one in the process: {1000 * second:.0f} ms, {first / second:.1f} times faster")


def main() -> None:
    """Run all benchmarks."""
    simulation = Simulation()
    world = simulation.world()
    small, large = simulation.app(world), simulation.app(enlarged(world, 1_000_000))
    answer: bytes = small.test_client().get(PATH).data
    bare = caller(bare_flask(answer), "GET")
    compare("GET of an instance", caller(small, "GET"), bare, "a constant answer of bare Flask")
    put = b'{"maxCalls": 5, "maxIncomingCalls": null}'
    compare("PUT of an instance", caller(small, "PUT", put), bare, "a constant answer of bare Flask")
    compare(
        "PUT in a world of a million users", caller(large, "PUT", put), caller(small, "PUT", put), "the same with 34"
    )
    silent = simulation.app(world, Settings(journal_limit=0))
    journaled = simulation.app(world)
    compare("GET with the journal", caller(journaled, "GET"), caller(silent, "GET"), "the same without")
    compare("PUT with the journal", caller(journaled, "PUT", put), caller(silent, "PUT", put), "the same without")
    hundred_thousand = simulation.app(enlarged(world, 100_000))
    reset = "/_simulator/reset"
    compare("reset of 100,000 users", poster(hundred_thousand, reset), poster(journaled, reset), "that of 34")
    memory(simulation, world)
    start()


if __name__ == "__main__":
    main()

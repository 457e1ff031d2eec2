"""Measurements without a network: calls of the WSGI application, and costs that grow with the world or a request."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import BytesIO
from itertools import count
from typing import Any

import orjson
from werkzeug.test import create_environ

from simulator.app import Simulation
from simulator.server.reading import Request, RequestReader
from simulator.settings import Settings
from simulator.state.redaction import without_secret_attributes, without_secrets
from tools.benchmarks.constant import bare_flask
from tools.benchmarks.figures import Results
from tools.benchmarks.peers import OURS
from tools.benchmarks.scenarios import INSTANCE
from tools.benchmarks.worlds import enlarged
from tools.contract_checks.check import Failed

PUT_BODY = b'{"maxCalls": 5, "maxIncomingCalls": null}'
CONTROL = "/_simulator"
FLASK, WITHOUT_JOURNAL = "flask", "without the journal"

SIZES = (1_000, 10_000, 100_000, 1_000_000)
"""Sizes of texts from which secrets are removed, in bytes: up to more than a server accepts by default."""

Application = Callable[[dict[str, Any], Callable[..., Any]], Any]
Call = Callable[[], bytes]


def environ_of(method: str, path: str, body: bytes) -> dict[str, Any]:
    """Returns the WSGI environment of a request, as the server makes it."""
    announced = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    reader = RequestReader(create_environ(), largest_body=len(body))
    reader.feed(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:4080\r\n{announced}\r\n".encode() + body)
    request = reader.requests[0]
    if not isinstance(request, Request):
        raise Failed(f"{method} {path}: {request}")
    return {**request.environ, "wsgi.input_terminated": True}


def caller(app: Application, method: str, path: str = INSTANCE, body: bytes = b"") -> Call:
    """Returns a function that calls an application without server and client. Raises `Failed` if it is refused."""
    template = environ_of(method, path, body)
    statuses: list[str] = []

    def call() -> bytes:
        environ = {**template, "wsgi.input": BytesIO(body)}
        return b"".join(app(environ, lambda status, *_: statuses.append(status)))

    said = call()
    if not statuses[0].startswith("2"):
        raise Failed(f"{method} {path}: {statuses[0]} {said!r}")
    return lambda: b"".join(app({**template, "wsgi.input": BytesIO(body)}, lambda *_: None))


def microseconds(call: Callable[[], object], calls: int) -> float:
    """Returns the mean processor time of `calls` calls, in µs. The time of other programs is not counted."""
    began = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - began) / calls * 1e6


def take_turns(results: Results, calls: Mapping[tuple[str, str], Call], number: int, rounds: int) -> None:
    """Measure calls in turn. Each call belongs to a figure and a server."""
    for call in calls.values():
        microseconds(call, number)
    for _ in range(rounds):
        for (figure, server), call in calls.items():
            results.add(figure, server, microseconds(call, number))


def measure(results: Results, *, quick: bool) -> None:
    """Measure the calls beside bare Flask, then in worlds of growing size."""
    simulation = Simulation()
    _against_flask(results, simulation, quick=quick)
    _growth(results, simulation, [10, 100, 1_000, *(() if quick else (10_000, 100_000, 1_000_000))], 3 if quick else 9)
    _used_sandbox(results, simulation, 20 if quick else 200)
    _redaction(results, *((SIZES[:3], 1) if quick else (SIZES, 9)))


def _against_flask(results: Results, simulation: Simulation, *, quick: bool) -> None:
    world = simulation.world()
    ours, silent = simulation.app(world), simulation.app(world, Settings(journal_limit=0))
    apps = {OURS: ours, FLASK: bare_flask(caller(ours, "GET")()), WITHOUT_JOURNAL: silent}
    calls = {("wsgi-get", name): caller(app, "GET") for name, app in apps.items()}
    calls |= {("wsgi-put", name): caller(app, "PUT", body=PUT_BODY) for name, app in apps.items()}
    take_turns(results, calls, *(100, 3) if quick else (300, 15))


def _growth(results: Results, simulation: Simulation, sizes: Sequence[int], rounds: int) -> None:
    """Returns the calls whose cost might grow with the number of users."""
    apps = {f"{users:,}": simulation.app(enlarged(simulation.world(), users)) for users in sizes}
    puts = {("put-in-world", size): caller(app, "PUT", body=PUT_BODY) for size, app in apps.items()}
    take_turns(results, puts, 300, rounds)
    calls: dict[tuple[str, str], Call] = {}
    for size, app in apps.items():
        calls["reset", size] = caller(app, "POST", f"{CONTROL}/reset")
        calls["snapshot", size] = caller(app, "PUT", f"{CONTROL}/snapshots/start")
        calls["new-sandbox", size] = _made_and_dropped(app)
    take_turns(results, calls, 10, rounds)
    for size, app in apps.items():
        results.add("sandbox-memory", size, _memory(app, 200))


def _made_and_dropped(app: Application) -> Call:
    make, drop = (caller(app, method, f"{CONTROL}/sandboxes/made") for method in ("PUT", "DELETE"))
    return lambda: make() + drop()


def _memory(app: Application, sandboxes: int, use: Callable[[str], None] = lambda _: None) -> float:
    """Measure how much memory a sandbox takes when it is created and used, in KiB."""
    caller(app, "PUT", f"{CONTROL}/sandboxes/warm")
    use("warm")
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(sandboxes):
            caller(app, "PUT", f"{CONTROL}/sandboxes/s{number}")
            use(f"s{number}")
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / sandboxes / 1024
    finally:
        tracemalloc.stop()


def _used_sandbox(results: Results, simulation: Simulation, sandboxes: int) -> None:
    app = simulation.app(simulation.world())
    numbers = count()

    def use(name: str) -> None:
        for _ in range(10):
            caller(app, "PUT", f"/_sandboxes/{name}{INSTANCE}", b'{"maxCalls": %d}' % (next(numbers) % 1_000))

    results.add("used-sandbox-memory", OURS, _memory(app, sandboxes, use))


def _redaction(results: Results, sizes: Sequence[int], rounds: int) -> None:
    """Measure the redaction of requests: of a path that is made to be slow, and of an ordinary body."""
    for size in sizes:
        path, body = f"/api/v1/={'pass' * (size // 4)}", _body(size)
        for _ in range(rounds):
            results.add("redacted-path", f"{size:,}", microseconds(partial(without_secrets, path), 3))
            results.add("redacted-body", f"{size:,}", microseconds(partial(without_secret_attributes, body), 3))


def _body(size: int) -> bytes:
    """Returns a body of about `size` bytes, with a password among many user ids."""
    user_ids = [f"user{number:06}@sip.netaxis.be" for number in range(size // 31)]
    return orjson.dumps({"password": "secret", "userIds": user_ids})

"""Measures the process of `serve`: how soon it answers, its memory, and how long clients wait while it is busy."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.benchmarks.figures import Results
from tools.benchmarks.peers import OURS, TITLES, peers, serve
from tools.benchmarks.processes import Running, answer, free_port, running
from tools.benchmarks.scenarios import INSTANCE, SCENARIOS
from tools.benchmarks.worlds import GROUP, fixture, user_id
from tools.benchmarks.wrk import put_load
from tools.contract_checks.check import Failed, Skipped, needs, run

BATCH = 100
"""A batch of requests that is sent at once: nine reads, then a write, and so on."""
BATCH_SECONDS, REQUESTS_SECONDS = 30, 90
POLL_SECONDS = 0.005
PATCH_SECONDS = 120
HEALTH = "/_simulator/health"
PAGE_SECONDS, PAGE_SHARE = 0.25, 50
"""How often `live.js` fetches a page: after so many seconds, or after so many times the time that it takes."""
EVENT_BYTES = 10_000
"""How many bytes of events come at least while requests are made as fast as possible."""

FIRST_ANSWER = f"""
import time
import simulator.app, simulator.server
from urllib.request import urlopen
from simulator import Simulator

for _ in range(2):
    began = time.perf_counter()
    with Simulator() as simulator:
        urlopen(simulator.url + {INSTANCE!r}).read()
        print(1000 * (time.perf_counter() - began))
"""


def measure(results: Results, *, quick: bool) -> None:
    """Measure the process. What cannot be measured here is skipped, with the reason."""
    parts: dict[str, Callable[[], None]] = {
        "start to first answer": lambda: _starts(results, 1 if quick else 7),
        "the library's server": lambda: _library(results, 1 if quick else 7),
        "memory of the process": lambda: _memory(results, *(1_000, 5_000) if quick else (100_000, 1_000_000)),
        "worst wait of health": lambda: _waits(results, 1_000 if quick else 100_000),
        "GET beside a console": lambda: _watched(results, *(1.0, 1) if quick else (8.0, 5)),
    }
    for title, part in parts.items():
        print(title, flush=True)
        try:
            part()
        except Skipped as skipped:
            results.skipped[title] = str(skipped)
        except (Failed, OSError) as failed:
            results.failed[title] = str(failed)


def _starts(results: Results, rounds: int) -> None:
    """Measure the start of the simulator and Prism in turn. The first round does not count."""
    known = {OURS: replace(peers()[OURS], command=_default), "prism": peers()["prism"]}
    for number in range(rounds + 1):
        for name, peer in list(known.items()):
            began = time.perf_counter()
            try:
                with peer.serving():
                    seconds = time.perf_counter() - began
            except Skipped as skipped:
                results.skipped[f"start of {TITLES[name]}"] = str(skipped)
                del known[name]
                continue
            if number:
                results.add("start", name, 1000 * seconds)


def _default(folder: Path, port: int) -> list[object]:
    """Returns the simulator with no option but the port."""
    return serve("--port", port)


def _library(results: Results, rounds: int) -> None:
    """Measure `start` of the library's server in a new interpreter, and a second time in the same process."""
    for _ in range(rounds):
        first, second = map(float, run([sys.executable, "-c", FIRST_ANSWER]).split())
        results.add("library-start", OURS, first)
        results.add("library-restart", OURS, second)


def _memory(results: Results, *numbers: int) -> None:
    """Measure the memory of one process after the first answer, and after many requests."""
    with peers()[OURS].serving() as server:
        results.add("memory-start", OURS, server.resident_mib())
        made = 0
        for figure, number in zip(("memory", "memory-later"), numbers, strict=True):
            made = requests(server.port, made, number)
            results.add(figure, OURS, server.resident_mib())


def requests(port: int, made: int, number: int) -> int:
    """Send `number` requests on one connection. Raises `Failed` if that takes too long."""
    end = time.monotonic() + REQUESTS_SECONDS
    read = f"GET {INSTANCE} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    body = b'{"maxCalls": 5, "maxIncomingCalls": null}'
    head = f"PUT {INSTANCE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
    batch = (9 * read + f"{head}{len(body)}\r\n\r\n".encode() + body) * (BATCH // 10)
    with socket.create_connection(("127.0.0.1", port), timeout=BATCH_SECONDS) as connection:
        while made < number:
            if time.monotonic() > end:
                raise Failed(f"only {made:,} of {number:,} requests were answered in {REQUESTS_SECONDS} s")
            connection.sendall(batch)
            _answered(connection)
            made += BATCH
    return made


def _answered(connection: socket.socket) -> None:
    """Receive the answers to a batch. The end of the last answer may arrive with the next batch."""
    begins, succeeds = b"HTTP/1.1 ", b"HTTP/1.1 200 "
    found, got = 0, b""
    while found < BATCH:
        more = connection.recv(1 << 20)
        got += more
        successes = got.count(succeeds)
        # The end may be an incomplete status line. It is searched again together with the next bytes.
        rest = got[-len(succeeds) + 1 :]
        if not more or got.count(begins) - rest.count(begins) > successes:
            raise Failed(f"not all of {BATCH} requests were answered with success: {got[-500:]!r}")
        found, got = found + successes, rest


def _waits(results: Results, users: int) -> None:
    """Measure how long health takes at worst while the state of a large world is patched."""
    with _large_world(users) as server:
        results.add("health-alone", OURS, worst_wait(server.port, [lambda: time.sleep(2)]))
        for figure, names in (("health-patch", ["one"]), ("health-patches", ["a", "b", "c", "d"])):
            for name in names:
                answer(server.port, "PUT", f"/_simulator/sandboxes/{name}")
            works = [_patch(server.port, name) for name in names]
            results.add(figure, OURS, worst_wait(server.port, works))


def _watched(results: Results, seconds: float, rounds: int) -> None:
    """Measure the rate of reads in turn, while nobody watches and while a console is open."""
    needs("wrk")
    load = SCENARIOS["get"].load
    with peers()[OURS].serving() as server:
        put_load(server.url, load, seconds)
        for _ in range(rounds):
            results.add("get-unwatched", OURS, put_load(server.url, load, seconds).rate)
            with _stream(server.port), _page(server.port):
                results.add("get-watched", OURS, put_load(server.url, load, seconds).rate)


@contextmanager
def _stream(port: int) -> Iterator[None]:
    """Watch the default sandbox in another thread. Raises `Failed` if no event comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=BATCH_SECONDS) as connection:
        connection.sendall(b"GET /_simulator/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        got: list[int] = []
        reader = threading.Thread(target=lambda: got.extend(map(len, iter(lambda: connection.recv(1 << 20), b""))))
        reader.start()
        yield
        connection.shutdown(socket.SHUT_RDWR)
        reader.join()
    if sum(got) < EVENT_BYTES:
        raise Failed(f"only {sum(got)} bytes of events came")


@contextmanager
def _page(port: int) -> Iterator[None]:
    """Fetch the page of the calls again and again, as often as its script does. Raises `Failed` if that fails."""
    is_over = threading.Event()
    fetched: list[int] = []

    def fetch() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=BATCH_SECONDS)
        while not is_over.is_set():
            connection.request("GET", "/_simulator/requests", headers={"Accept": "text/html"})
            got = connection.getresponse()
            got.read()
            fetched.append(got.status)
            made = float((got.headers["Server-Timing"] or "").partition("dur=")[2] or 0) / 1000
            is_over.wait(max(PAGE_SECONDS, PAGE_SHARE * made))
        connection.close()

    reader = threading.Thread(target=fetch)
    reader.start()
    yield
    is_over.set()
    reader.join()
    if set(fetched) != {200}:
        raise Failed(f"the page was answered with {fetched}")


@contextmanager
def _large_world(users: int) -> Iterator[Running]:
    with TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        file = folder / "world.json"
        file.write_text(json.dumps(fixture(users)), encoding="utf-8")
        with running(serve("--port", port, "--fixtures", file), port, folder) as server:
            server.until_it_answers(HEALTH)
            yield server


def _patch(port: int, sandbox: str) -> Callable[[], None]:
    """Rename one user of a sandbox by a PATCH. Raises `Failed` if it is refused."""
    users = {user_id(0): {"firstName": "Renamed"}}
    body = json.dumps({"tenants": {"foo": {"groups": {GROUP: {"users": users}}}}}).encode()

    def patch() -> None:
        got = answer(port, "PATCH", f"/_sandboxes/{sandbox}/_simulator/state", body)
        if got.status != 200:
            raise Failed(f"PATCH: {got.status} {got.body[:500]!r}")

    return patch


def worst_wait(port: int, works: list[Callable[[], None]]) -> float:
    """Returns the longest time that health takes, in ms, asked every few ms while the works are done.

    Raises `Failed` if one of the works fails or takes too long.
    """
    failures: list[Exception] = []

    def attempt(work: Callable[[], None]) -> None:
        try:
            work()
        except Failed as failure:
            failures.append(failure)

    threads = [threading.Thread(target=attempt, args=[work], daemon=True) for work in works]
    worst, end = 0.0, time.monotonic() + PATCH_SECONDS
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATCH_SECONDS)
    with contextlib.closing(connection):
        connection.connect()
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            if time.monotonic() > end:
                raise Failed(f"takes more than {PATCH_SECONDS} s")
            worst = max(worst, _asked(connection))
            time.sleep(POLL_SECONDS)
    if failures:
        raise Failed(str(failures[0]))
    return worst


def _asked(connection: http.client.HTTPConnection) -> float:
    began = time.perf_counter()
    connection.request("GET", HEALTH)
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        raise Failed(f"the health is {response.status}")
    return 1000 * (time.perf_counter() - began)

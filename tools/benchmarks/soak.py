"""Run good and hostile clients against one simulator: `python -m tools.benchmarks.soak [--minutes M]`.

Shows that no answer is a failure of the server, that its memory stays within a bound, and that health always answers in
time. The exit status is 1 if one of these is not true.

Clients and server share the machine. The clients run only when the server and the watcher leave a core free
(`SCHED_IDLE`). So the server is measured, and not how the system shares the cores.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import multiprocessing
import os
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from multiprocessing.synchronize import Event
from typing import TYPE_CHECKING

from tools.benchmarks.peers import peers
from tools.benchmarks.worlds import GROUP, ONE, collection

if TYPE_CHECKING:
    from tools.benchmarks.processes import Running

Statuses = Counter[str]
COLLECTION, INSTANCE = collection(GROUP), f"{collection(GROUP)}{ONE}/"
HEALTH = "/_simulator/health"
HEALTH_MS = 100
PAUSE_SECONDS = 0.05
"""How many seconds a client rests between two actions: the machine should be busy, not overloaded."""
GLANCE_SECONDS = 0.02
"""How many seconds the watcher rests between two checks."""
STEADY_AFTER = 0.3
"""After this share of the time, the memory should not grow any more."""
GROWTH = 1.2
"""How much the memory may still grow from then to the end."""
SANDBOXES = 20
"""How many sandboxes a client with changing names uses. So the memory of the server becomes steady."""
STEP = 1_000
"""The distance between the numbers of a client's rounds. So two clients never have the same number."""


def ask(port: int, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
    """The status and body of an answer."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def send(port: int, raw: bytes, seconds: float = 0.0) -> str:
    """Send bytes, and return the answer's status or that there is none. The connection stays open for a while."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client, contextlib.suppress(OSError):
        client.sendall(raw)
        time.sleep(seconds)
        client.shutdown(socket.SHUT_WR)
        return client.recv(4096)[9:12].decode() or "none"
    return "none"


def suite(port: int, number: int) -> Iterator[str]:
    """A test suite with its own sandbox. It checks that its changes are still there."""
    sandbox = f"/_sandboxes/suite-{number}"
    name = f"soak-{number}"
    steps: list[tuple[str, str, object, int]] = [
        ("POST", COLLECTION, {"name": name, "maxCalls": 1, "isDefault": False}, 201),
        ("GET", f"{COLLECTION}{name}/", None, 200),
        ("PUT", f"{COLLECTION}{name}/", {"maxCalls": 2, "maxIncomingCalls": None}, 200),
        ("GET", COLLECTION, None, 200),
        ("GET", f"{COLLECTION}none/", None, 404),
        ("PUT", f"{COLLECTION}{name}/", {"maxCalls": -1}, 400),
        ("GET", "/_simulator/requests?status=4xx", None, 200),
        ("GET", "/_simulator/diff", None, 200),
        ("DELETE", f"{COLLECTION}{name}/", None, 200),
        ("POST", "/_simulator/reset", None, 204),
    ]
    for method, path, body, expected in steps:
        status, answer = ask(port, method, sandbox + path, body)
        yield str(status) if status == expected else f"{status} instead of {expected}: {answer[:200]!r}"


def strangers(port: int, number: int) -> Iterator[str]:
    """A client that sends hostile requests."""
    chance = random.Random(number)
    host = b"Host: localhost\r\n"
    yield send(port, chance.randbytes(2_000))
    yield send(port, b"GET /api/v1/=" + b"pass" * 16_000 + b" HTTP/1.1\r\n" + host + b"\r\n")
    yield send(port, b"PUT " + INSTANCE.encode() + b" HTTP/1.1\r\n" + host + b"Content-Length: 900\r\n\r\n{")
    yield send(port, b"GET / HTTP/1.1\r\n" + host + b"X: " + b"x" * 300_000 + b"\r\n\r\n")
    yield send(port, b"GET / HTTP/1.1\r\n" + host + b"A: b\r\n" * 40_000 + b"\r\n")
    yield send(port, b"PUT / HTTP/1.1\r\n" + host + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    for path in ("/_simulator/state", f"/_sandboxes/read-{number}/_simulator/state"):
        yield str(ask(port, "GET", path, Host="evil.example")[0])
    sandbox = f"/_sandboxes/stranger-{number // STEP % SANDBOXES}"
    yield str(ask(port, "GET", f"{sandbox}{INSTANCE}", Origin="http://evil.example")[0])
    yield str(ask(port, "PUT", INSTANCE, {"name": "=pass" * 100_000})[0])
    yield send(
        port, b"PUT " + INSTANCE.encode() + b" HTTP/1.1\r\n" + host + b"Content-Length: 200000\r\n\r\n" + b"[" * 200_000
    )


def idlers(port: int, number: int) -> Iterator[str]:
    """A client that is slow to send, to read and to close its connections."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5)) for _ in range(200)]
        with contextlib.suppress(OSError):
            for client in clients[:20]:
                client.sendall(b"GET " + COLLECTION.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500)
        for byte in b"GET / HTTP/1.1\r\n":
            for client in clients[20:40]:
                with contextlib.suppress(OSError):
                    client.send(bytes([byte]))
            time.sleep(0.05)
    yield "slow"


def carriers(port: int, number: int) -> Iterator[str]:
    """A client that puts large worlds into sandboxes, takes snapshots, sends invalid patches, and drops sandboxes."""
    turn = number // STEP
    sandbox = f"/_sandboxes/carrier-{turn % SANDBOXES}/_simulator"
    users = {f"u{each}": {"firstName": "A", "lastName": "B"} for each in range(5_000)}
    world = {
        "version": 1,
        "defaultDomain": "d.example",
        "tenants": {"t": {"type": "Enterprise", "groups": {"g": {"users": users}}}},
    }
    json_type = {"Content-Type": "application/json"}
    yield str(ask(port, "PUT", f"{sandbox}/state", world, **json_type)[0])
    yield str(ask(port, "PUT", f"{sandbox}/snapshots/s{number}", **json_type)[0])
    yield str(ask(port, "PATCH", f"{sandbox}/state", {f"x{each}": each for each in range(100_000)}, **json_type)[0])
    yield str(ask(port, "DELETE", f"/_simulator/sandboxes/carrier-{(turn + SANDBOXES // 2) % SANDBOXES}")[0])


CLIENTS: Mapping[str, Callable[[int, int], Iterator[str]]] = {
    each.__name__: each for each in (suite, strangers, idlers, carriers)
}


def work(name: str, number: int, port: int, end: Event, results: multiprocessing.Queue[tuple[str, Statuses]]) -> None:
    """Repeat the actions of one client."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    statuses: Statuses = Counter()
    turn = number
    while not end.is_set():
        try:
            for status in CLIENTS[name](port, turn):
                statuses[status] += 1
                time.sleep(PAUSE_SECONDS)
        except OSError as problem:
            statuses[f"no answer: {type(problem).__name__}"] += 1
            time.sleep(PAUSE_SECONDS)
        turn += STEP
    results.put((name, statuses))


def watch(server: Running, seconds: float) -> tuple[list[float], list[float]]:
    """Records for some time how many milliseconds health takes, and how many MiB the server uses."""
    waits, memory = [], []
    end = time.monotonic() + seconds
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    while time.monotonic() < end:
        began = time.perf_counter()
        try:
            connection.request("GET", HEALTH)
            connection.getresponse().read()
            waits.append((time.perf_counter() - began) * 1_000)
        except (OSError, http.client.HTTPException):
            # The server closed this connection because it had been idle longest.
            connection.close()
        memory.append(server.resident_mib())
        time.sleep(GLANCE_SECONDS)
    return waits, memory


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--minutes", type=float, default=10)
    seconds = parser.parse_args().minutes * 60
    peer = peers()["simulator"]
    context = multiprocessing.get_context("spawn")
    with peer.serving() as server:
        end, results = context.Event(), context.Queue()
        clients = [
            context.Process(target=work, args=(name, number, server.port, end, results))
            for number, name in enumerate(["suite", *CLIENTS])
        ]
        for client in clients:
            client.start()
        waits, memory = watch(server, seconds)
        end.set()
        said = [results.get(timeout=120) for _ in clients]
        for client in clients:
            client.join()
        is_alive = ask(server.port, "GET", HEALTH)[0] == 200
    statuses: dict[str, Statuses] = {}
    for name, found in said:
        statuses.setdefault(name, Counter()).update(found)
    steady = max(memory[: int(len(memory) * STEADY_AFTER)])
    checks = {
        f"the worst of {len(waits)} waits for health was {max(waits):.0f} ms, below {HEALTH_MS}": max(waits)
        < HEALTH_MS,
        f"memory was {memory[0]:.0f} MiB at first, {steady:.0f} when steady, {memory[-1]:.0f} in the end, at most "
        f"{max(memory):.0f}": memory[-1] <= GROWTH * steady,
        "no answer was a failure": not any(each.startswith("500") for found in statuses.values() for each in found),
        "every suite got what it expected": not any("instead" in each for each in statuses["suite"]),
        "the server is alive": is_alive,
    }
    for name, found in statuses.items():
        print(f"{name}: {', '.join(f'{status} {times} times' for status, times in sorted(found.items()))}")
    for check, holds in checks.items():
        print(f"{'ok' if holds else 'NOT OK'}: {check}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

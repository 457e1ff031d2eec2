"""Measures one, two and four replicas behind HAProxy, and one without it: rates, and the processor time of a call."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.benchmarks.figures import Results
from tools.benchmarks.fleet import EXAMPLE, HAProxy, Replicas, haproxy
from tools.benchmarks.peers import world_file
from tools.benchmarks.processes import Running, answer
from tools.benchmarks.scenarios import INSTANCE
from tools.benchmarks.wrk import Load, put_load
from tools.contract_checks.check import Failed, needs

SANDBOXES = 50
REPLICAS = ("r1", "r2", "r3", "r4")
NUMBERS = (1, 2, 4)
ALONE = "1, no proxy"
METHODS = {"GET": "scale-get", "PUT": "scale-put"}
"""The method of each load, and the figure of its rate. The processor times are figures of their own."""


def measure(results: Results, *, quick: bool) -> None:
    """Put load on replicas. Raises `Skipped` without wrk or HAProxy, `Failed` if something goes wrong."""
    seconds, rounds = (1.0, 1) if quick else (3.0, 3)
    needs("wrk")
    print("replicas behind HAProxy", flush=True)
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        replicas = Replicas(folder, stack, ("--fixtures", world_file(folder)), REPLICAS)
        replicas.start(REPLICAS[0])
        proxy = stack.enter_context(haproxy(replicas, _larger(folder)))
        for number in NUMBERS:
            replicas.start(*REPLICAS[:number])
            _spread(proxy, number)
            servers = list(replicas.running.values())
            if number == 1:
                _measured(results, ALONE, servers[0].url, servers, [], seconds, rounds)
            _measured(results, str(number), proxy.url, servers, [proxy.server], seconds, rounds)


def _larger(folder: Path) -> Path:
    """Writes the file of HAProxy with one more replica, as its README says, and returns it."""
    text = (EXAMPLE / "haproxy.cfg").read_text(encoding="utf-8")
    last = '    server r3 "${R3-127.0.0.1:4083}"\n'
    for old, new in {"r1 r2 r3 }": "r1 r2 r3 r4 }", last: f'{last}    server r4 "${{R4}}"\n'}.items():
        if text.count(old) != 1:
            raise Failed(f"haproxy.cfg has not one {old!r}")
        text = text.replace(old, new)
    file = folder / "haproxy.cfg"
    file.write_text(text, encoding="utf-8")
    return file


def _spread(proxy: HAProxy, number: int) -> None:
    """Wait until HAProxy knows which replicas run, and create the sandboxes anew, on all of them."""
    proxy.until(**{name: "UP" if name in REPLICAS[:number] else "DOWN" for name in REPLICAS})
    for each in range(1, SANDBOXES + 1):
        made = answer(proxy.server.port, "PUT", f"/_simulator/sandboxes/bench-{each}")
        if made.status != 200:
            raise Failed(f"a sandbox was not created: {made}")


def _measured(
    results: Results,
    column: str,
    url: str,
    servers: Sequence[Running],
    proxies: Sequence[Running],
    seconds: float,
    rounds: int,
) -> None:
    for method, figure in METHODS.items():
        load = Load("/", script="sandboxes.lua", arguments=(INSTANCE, str(SANDBOXES), method))
        put_load(url, load, seconds)
        for _ in range(rounds):
            before = _used(servers), _used(proxies)
            done = put_load(url, load, seconds)
            results.add(figure, column, done.rate)
            results.add(f"{figure}-replicas", column, (_used(servers) - before[0]) / done.requests * 1e6)
            if proxies:
                results.add(f"{figure}-proxy", column, (_used(proxies) - before[1]) / done.requests * 1e6)


def _used(processes: Sequence[Running]) -> float:
    return sum(each.cpu_seconds() for each in processes)

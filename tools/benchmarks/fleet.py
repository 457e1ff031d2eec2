"""Several replicas of the simulator behind a proxy, which runs with its file in examples/scale-out."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tools.benchmarks.peers import serve
from tools.benchmarks.processes import Running, free_port, running
from tools.contract_checks.check import ROOT, Failed, Skipped

EXAMPLE = ROOT / "examples" / "scale-out"
NAMES = ("r1", "r2", "r3")
"""The replicas that haproxy.cfg names."""
HEALTH = "/_simulator/health"
STATE_SECONDS = 20
POLL_SECONDS = 0.05
RELOAD_SECONDS = 6.0


def program(name: str) -> str:
    """Returns the path of a program, which may be one for administrators. Raises `Skipped` if it is not installed."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    if found is None:
        raise Skipped(f"needs {name}, which is not installed")
    return found


class Replicas:
    """Replicas by name. Each keeps its port, also while it does not run."""

    def __init__(
        self, folder: Path, stack: ExitStack, options: Sequence[object] = (), names: Sequence[str] = NAMES
    ) -> None:
        self.ports = {name: free_port() for name in names}
        self.folder = folder
        self.running: dict[str, Running] = {}
        self._ends: dict[str, ExitStack] = {}
        self._stack, self._options = stack, options

    def start(self, *names: str) -> None:
        """Start those of the replicas that do not run, and wait until they are healthy."""
        new = [name for name in names if name not in self.running]
        for name in new:
            folder = self.folder / name
            folder.mkdir(exist_ok=True)
            port = self.ports[name]
            command = serve("--port", port, *self._options)
            self._ends[name] = self._stack.enter_context(ExitStack())
            self.running[name] = self._ends[name].enter_context(running(command, port, folder))
        for name in new:
            self.running[name].until_it_answers(HEALTH)

    def end(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """End a replica with a signal, and wait until its process is gone."""
        process = self.running.pop(name).process
        process.send_signal(number)
        process.wait(STATE_SECONDS)
        # Later, another process may have its number.
        self._ends.pop(name).close()


class HAProxy:
    """A running HAProxy in front of replicas."""

    def __init__(self, server: Running, admin: int, names: Collection[str]) -> None:
        self.server = server
        self._names = names
        self.url = server.url
        self._began = time.monotonic()
        self.admin = f"http://127.0.0.1:{admin}/"

    def states(self) -> dict[str, str]:
        """Returns what HAProxy thinks of each replica: for example `UP`, `DOWN` or `DRAIN`."""
        with urlopen(f"{self.admin};csv", timeout=STATE_SECONDS) as answer:
            table = csv.DictReader(answer.read().decode().removeprefix("# ").splitlines())
        return {row["svname"]: row["status"].split()[0] for row in table if row["svname"] in self._names}

    def until(self, **states: str) -> None:
        """Wait until replicas are in these states. Raises `Failed` if that takes too long."""
        _until(
            lambda: states.items() <= self.states().items(), lambda: f"the replicas are {self.states()}, not {states}"
        )

    def order(self, replica: str, action: str, **headers: str) -> None:
        """Drain a replica, or make it ready again, as the page for administrators does."""
        form = urlencode({"b": "replicas", "s": replica, "action": action}).encode()
        with urlopen(Request(self.admin, form, headers), timeout=STATE_SECONDS):
            pass

    def reload(self) -> None:
        """Let HAProxy read its file again, and wait until a new process has done so."""
        before = self._loaded()
        # A process asks its predecessor for the table for five seconds. Before that is over, it hands nothing on.
        time.sleep(max(0.0, self._began + RELOAD_SECONDS - time.monotonic()))
        self.server.process.send_signal(signal.SIGUSR2)
        _until(lambda: self._loaded() > before, lambda: "HAProxy does not reload")
        self._began = time.monotonic()

    def _loaded(self) -> int:
        return self.server.log.read_text(encoding="utf-8").count("Loading success.")


def _until(true: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    end = time.monotonic() + STATE_SECONDS
    while not true():
        if time.monotonic() > end:
            raise Failed(otherwise())
        time.sleep(POLL_SECONDS)


@contextmanager
def haproxy(replicas: Replicas, file: Path = EXAMPLE / "haproxy.cfg") -> Iterator[HAProxy]:
    """Run HAProxy with its file, whose variables name the addresses. Raises `Skipped` without HAProxy."""
    port, admin, peer = free_port(), free_port(), free_port()
    addresses = {name.upper(): f"127.0.0.1:{each}" for name, each in replicas.ports.items()}
    addresses |= {"BIND": f"127.0.0.1:{port}", "ADMIN": f"127.0.0.1:{admin}", "PEER": f"127.0.0.1:{peer}"}
    variables = [f"{name}={value}" for name, value in addresses.items()]
    folder = replicas.folder / "haproxy"
    folder.mkdir()
    command = ["env", *variables, program("haproxy"), "-W", "-db", "-f", file]
    with running(command, port, folder) as server:
        server.until_it_answers(HEALTH)
        yield HAProxy(server, admin, replicas.ports)


@contextmanager
def nginx(replicas: Replicas) -> Iterator[str]:
    """Run NGINX with its file, and yield the address. Raises `Skipped` without NGINX.

    The file has no variables. Only its addresses are replaced, and the folder in which NGINX writes.
    """
    port, folder = free_port(), replicas.folder / "nginx"
    folder.mkdir()
    text = (EXAMPLE / "nginx.conf").read_text(encoding="utf-8").replace("/tmp/", f"{folder}/")
    text = text.replace("listen 4080;", f"listen 127.0.0.1:{port};")
    for name, each in replicas.ports.items():
        text = text.replace(f"replica-{name.removeprefix('r')}:4080", f"127.0.0.1:{each}")
    file = folder / "nginx.conf"
    file.write_text(text, encoding="utf-8")
    command = [program("nginx"), "-p", folder, "-c", file, "-e", "stderr", "-g", "daemon off;"]
    with running(command, port, folder) as server:
        server.until_it_answers(HEALTH)
        yield server.url

"""Starts servers as processes, watches them through /proc, and ends them with all their child processes."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.contract_checks.check import Failed, Skipped

ENDS_WITHIN_SECONDS = 5
ANSWERS_WITHIN_SECONDS = 60
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Running:
    """A running server: its first process, which leads its own session, its port, and its output."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """The processor time that the server's processes have used so far, in seconds."""
        ticks = sum(int(stat[11]) + int(stat[12]) for _, stat in _session(self.process.pid))
        return ticks / os.sysconf("SC_CLK_TCK")

    def resident_mib(self) -> float:
        """The memory that the server's processes use now, in MiB."""
        pages = sum(int(stat[21]) for _, stat in _session(self.process.pid))
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def until_it_answers(self, path: str, method: str = "GET") -> None:
        """Repeat a request until it succeeds. Raises `Failed` with the server's output if it never does."""
        end = time.monotonic() + ANSWERS_WITHIN_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(Failed):
                if answer(self.port, method, path).status < 300:
                    return
            time.sleep(0.002)
        raise Failed(f"does not answer {method} {path}: {self.log.read_text(encoding='utf-8')[-2000:]}")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and whether its connection stays open."""

    status: int
    body: bytes
    stays: bool


def answer(port: int, method: str, path: str, body: bytes | None = None, *, close: bool = False) -> Answer:
    """Send one request on a new connection. Raises `Failed` if there is no answer."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if close:
        headers["Connection"] = "close"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWERS_WITHIN_SECONDS)
    try:
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.read(), not response.will_close)
    except (OSError, http.client.HTTPException) as problem:
        raise Failed(f"{method} {path}: {problem!r}") from None


def free_port() -> int:
    """Returns a free port of 127.0.0.1, below those that the system gives to programs that ask for any port."""
    while True:
        port = random.randrange(10_000, 30_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@contextmanager
def running(command: Sequence[object], port: int, folder: Path) -> Iterator[Running]:
    """Run a server in a folder, which also gets its log. Ends it with all its child processes."""
    if not PROC.joinpath("self", "stat").exists():
        raise Skipped("needs /proc, to see processor time and memory of a process")
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Running(process, port, log)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    _signal(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(ENDS_WITHIN_SECONDS)
    # Other processes of the session may still run after the first one has ended.
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def _signal(session: int, number: signal.Signals) -> None:
    for pid, _ in _session(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _session(leader: int) -> list[tuple[int, list[str]]]:
    """Returns the processes of a session, each with the fields of /proc/PID/stat, from the state on."""
    found = []
    for entry in PROC.glob("[0-9]*"):
        # A process may end while its entry is read. Its name, in parentheses, may contain any character.
        with contextlib.suppress(OSError):
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == leader:
                found.append((int(entry.name), fields))
    return found

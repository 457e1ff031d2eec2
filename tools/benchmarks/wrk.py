"""Runs wrk against a server, and reads its output."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.contract_checks.check import Failed

SCRIPTS = Path(__file__).parent / "lua"
REQUEST_SECONDS = 5
"""How many seconds an answer may take."""
MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1_000.0, "m": 60_000.0}


@dataclass(frozen=True, slots=True)
class Load:
    """A kind of load: the path, the number of connections, a Lua script with its arguments, a header."""

    path: str
    connections: int = 32
    script: str | None = None
    arguments: tuple[str, ...] = ()
    header: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run: requests, requests per second, and the time within which 99 % were answered."""

    requests: int
    rate: float
    p99_ms: float
    output: str

    def printed(self, name: str) -> int:
        """Returns the number that the script printed under a name."""
        found = re.search(rf"^{name}: (\d+)$", self.output, re.MULTILINE)
        if found is None:
            raise Failed(f"the script did not print {name}")
        return int(found[1])


def outcome(output: str) -> Outcome:
    """Returns the result in wrk's output. Raises `Failed` after an error, a broken connection or a missing answer."""
    objection = re.search(r"Non-2xx or 3xx responses: \d+|Socket errors:.*", output)
    if objection:
        raise Failed(objection.group())
    done = re.search(r"(\d+) requests in ", output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    p99 = re.search(r"^\s+99%\s+([\d.]+)(us|ms|s|m)\s*$", output, re.MULTILINE)
    if not (done and rate and p99) or int(done[1]) == 0:
        raise Failed(f"wrk measured nothing: {output}")
    return Outcome(int(done[1]), float(rate[1]), float(p99[1]) * MILLISECONDS[p99[2]], output)


def put_load(url: str, load: Load, seconds: float, extra: Sequence[str] = ()) -> Outcome:
    """Put load on a server for some seconds. Raises `Failed` if not every request was answered with success."""
    command = ["wrk", "--threads", "1", "--connections", str(load.connections), "--duration", f"{seconds:g}s"]
    command += ["--latency", "--timeout", f"{REQUEST_SECONDS}s"]
    if load.script:
        command += ["--script", str(SCRIPTS / load.script)]
    if load.header:
        command += ["--header", load.header]
    command += [url + load.path, "--", *load.arguments, *extra]
    try:
        done = subprocess.run(command, text=True, capture_output=True, timeout=seconds + 10 * REQUEST_SECONDS)
    except subprocess.TimeoutExpired:
        raise Failed("wrk does not end") from None
    if done.returncode:
        raise Failed(f"wrk: {done.stdout}{done.stderr}")
    return outcome(done.stdout)

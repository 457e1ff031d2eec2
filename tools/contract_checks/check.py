"""What all checks of the contract use: it starts tools, skips checks without them, and starts a simulator."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
CONTRACT = ROOT / "openapi.yaml"

Check = Callable[[], str]
"""A check returns what it counted, as a short text. It raises `Failed` or `Skipped`."""

COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""Codes for colours. Some tools print them even without a terminal."""

SECONDS = 600
"""How many seconds a tool may take."""


class Failed(Exception):
    """A tool reports a problem. The text is its output."""


class Skipped(Exception):
    """A tool cannot run here. The text says what is missing."""


def needs(*programs: str) -> None:
    """Raises `Skipped` unless these programs can be started."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise Skipped(f"needs {' and '.join(missing)}")


def run(command: Sequence[object], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
    """Returns the output of a command. Raises `Failed` with it if the exit status is not 0 or it takes too long."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]} took more than {SECONDS} s") from None
    output = COLOURS.sub("", done.stdout)
    if done.returncode:
        raise Failed(output)
    return output


def node_modules(folder: Path = FOLDER) -> Path:
    """Installs the packages in a folder's package.json if needed, and returns where they are.

    Raises `Skipped` without Node.js, or if the packages cannot be installed.
    """
    needs("node", "npm")
    modules, locked = folder / "node_modules", folder / "package-lock.json"
    installed = modules / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < locked.stat().st_mtime:
        try:
            run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder)
        except Failed as failure:
            raise Skipped(f"needs the packages of {folder.name}/package.json: {str(failure).strip()[-300:]}") from None
        installed.touch()
    return modules


def node_program(name: str, folder: Path = FOLDER) -> Path:
    """Returns the path of a program in a folder's packages. Raises `Skipped` as `node_modules` does."""
    return node_modules(folder) / ".bin" / name


@contextmanager
def simulator(*options: str) -> Iterator[str]:
    """Runs a simulator in its own process, with the default fixture, at a free port. Yields its address."""
    command = [sys.executable, "-m", "simulator", "serve", "--port", "0", *options]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        try:
            assert server.stdout is not None
            ready = re.search(r"http://[^\s,]+", server.stdout.readline())
            if ready is None:
                log.seek(0)
                raise Failed(log.read())
            yield ready.group()
        finally:
            server.terminate()


def carry_out(checks: Mapping[str, Check], names: Sequence[str]) -> int:
    """Run the checks with these names, or all of them. Returns the exit status: 1 if one failed.

    Prints a line for each check: ok, failed or skipped, and what was counted. After a failure, the tool's output
    follows.
    """
    unknown = [name for name in names if name not in checks]
    if unknown:
        print(f"no such check: {', '.join(unknown)}; there are {', '.join(checks)}", file=sys.stderr)
        return 2
    outcomes = {"ok": 0, "failed": 0, "skipped": 0}
    for name in names or checks:
        begin = time.monotonic()
        output = ""
        try:
            outcome, told = "ok", checks[name]()
        except Skipped as skipped:
            outcome, told = "skipped", str(skipped)
        except Failed as failed:
            outcome, told, output = "failed", "", str(failed)
        outcomes[outcome] += 1
        print(f"{name:<28} {outcome:<8} {told} ({time.monotonic() - begin:.0f} s)", flush=True)
        if output:
            print(output)
    print(", ".join(f"{number} {outcome}" for outcome, number in outcomes.items()))
    return 1 if outcomes["failed"] else 0

"""Schemathesis as strangers run it: with the settings that a running simulator hands out, and with the checkout's."""

from __future__ import annotations

import sys
import tempfile
import urllib.request
from pathlib import Path

from contract.check import CONTRACT, ROOT, Check, Failed, run, simulator
from contract.reached import reached

SETTINGS = "schemathesis.toml"
SHARE = 0.7
"""How many of the valid calls are to succeed at least."""


def stranger(*options: str) -> str:
    """A run in an empty folder, with nothing but what the server hands out."""
    with tempfile.TemporaryDirectory() as name, simulator(*options) as address:
        folder = Path(name)
        with urllib.request.urlopen(f"{address}/_simulator/{SETTINGS}") as answer:
            (folder / SETTINGS).write_bytes(answer.read())
        return _run(folder, f"{address}/_simulator/openapi.json")


def credentials_required() -> str:
    """The same against a server that demands credentials, which the settings then hold."""
    return stranger("--auth", "required")


def checkout() -> str:
    """A run with the settings and the contract of the checkout."""
    with tempfile.TemporaryDirectory() as name, simulator() as address:
        folder = Path(name)
        (folder / SETTINGS).write_bytes((ROOT / SETTINGS).read_bytes())
        return _run(folder, CONTRACT, "--url", address)


def _run(folder: Path, contract: object, *options: object) -> str:
    report = folder / "run.ndjson"
    program = Path(sys.executable).with_name("schemathesis")
    output = run([program, "run", contract, *options, "--report", "ndjson", "--report-ndjson-path", report], cwd=folder)
    with report.open(encoding="utf-8") as lines:
        found = reached(lines)
    if found.missed or found.share < SHARE:
        raise Failed("\n".join([output, *found.lines()]))
    links = next(
        (line.split(":")[1].split("/")[0].strip() for line in output.splitlines() if "API Links" in line), "no"
    )
    return f"{found.lines()[-1]}, links {links}"


CHECKS: dict[str, Check] = {
    "schemathesis": stranger,
    "schemathesis-required": credentials_required,
    "schemathesis-checkout": checkout,
}

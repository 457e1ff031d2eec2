"""Runs Schemathesis as users do, with the settings that a running simulator serves."""

from __future__ import annotations

import sys
import tempfile
import urllib.request
from pathlib import Path

from tools.contract_checks.check import CONTRACT, Check, Failed, run, simulator
from tools.contract_checks.reached import reached

SHARE = 0.7
"""The least share of valid calls that must succeed."""


def served(*options: str) -> str:
    """A run with the contract and settings that the server serves."""
    with simulator(*options) as address:
        return _run(address, f"{address}/_simulator/openapi.json")


def credentials_required() -> str:
    """The same with a server that demands credentials. The settings hold a token."""
    return served("--auth", "required")


def checkout() -> str:
    """A run with the contract in the checkout."""
    with simulator() as address:
        return _run(address, CONTRACT, "--url", address)


def _run(address: str, contract: object, *options: object) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings, report = folder / "settings.toml", folder / "run.ndjson"
        with urllib.request.urlopen(f"{address}/_simulator/schemathesis.toml") as answer:
            settings.write_bytes(answer.read())
        command = [Path(sys.executable).with_name("schemathesis"), "--config-file", settings, "run", contract, *options]
        output = run([*command, "--report", "ndjson", "--report-ndjson-path", report], cwd=folder)
        with report.open(encoding="utf-8") as lines:
            found = reached(lines)
    if found.missed or found.share < SHARE:
        raise Failed("\n".join([output, *found.lines()]))
    links = next(
        (line.split(":")[1].split("/")[0].strip() for line in output.splitlines() if "API Links" in line), "no"
    )
    return f"{found.lines()[-1]}, links {links}"


CHECKS: dict[str, Check] = {
    "schemathesis": served,
    "schemathesis-required": credentials_required,
    "schemathesis-checkout": checkout,
}

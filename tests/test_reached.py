"""The script that finds in the report of a contract run what the run reached."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FINISHED = '{"EngineFinished": {}}'
SCRIPT = Path(__file__).parents[1] / "tools" / "contract_checks" / "reached.py"


def scenario(*calls: tuple[str, str, str, int | None]) -> str:
    """Return a line of a report. Calls are method, path, mode and status."""
    cases: dict[str, Any] = {}
    interactions: dict[str, Any] = {}
    for number, (method, path, mode, status) in enumerate(calls):
        meta = {"generation": {"mode": mode}}
        cases[str(number)] = {"value": {"method": method, "path": path, "meta": meta}}
        interactions[str(number)] = {"response": None if status is None else {"status_code": status}}
    return json.dumps({"ScenarioFinished": {"recorder": {"cases": cases, "interactions": interactions}}})


@pytest.mark.parametrize(
    ("calls", "status", "last"),
    [
        (
            [("GET", "/a/", "positive", 200), ("GET", "/a/", "positive", 404), ("TRACE", "/a/", "negative", 405)],
            0,
            "1 operations; 50% of 2 valid calls were answered with 2xx",
        ),
        (
            [("GET", "/a/", "positive", 200), ("PUT", "/a/", "negative", 400), ("PUT", "/a/", "positive", None)],
            1,
            "2 operations; 100% of 1 valid calls were answered with 2xx",
        ),
        ([], 1, "0 operations; 0% of 0 valid calls were answered with 2xx"),
    ],
)
def test_an_operation_that_never_succeeded_is_named(
    tmp_path: Path, calls: list[tuple[str, str, str, int | None]], status: int, last: str
) -> None:
    report = tmp_path / "run.ndjson"
    other = json.dumps({"ScenarioFinished": {"recorder": {"cases": {}}}})
    report.write_text("\n".join(['{"Initialize": {}}', other, scenario(*calls), FINISHED]), encoding="utf-8")
    done = subprocess.run([sys.executable, str(SCRIPT), str(report)], capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1], done.stderr) == (status, last, "")
    assert ("never 2xx: PUT /a/" in done.stdout.splitlines()) is (status == 1 and bool(calls))


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read"), ("", "no whole report"), ("no JSON", "cannot be read"), (scenario(), "no whole report")],
)
def test_what_is_no_whole_report_is_told(tmp_path: Path, content: str | None, words: str) -> None:
    report = tmp_path / "run.ndjson"
    if content is not None:
        report.write_text(content, encoding="utf-8")
    done = subprocess.run([sys.executable, str(SCRIPT), str(report)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr

"""Show what a run of Schemathesis reached, from its NDJSON report. Its exit status does not tell this.

    schemathesis run … --report ndjson --report-ndjson-path run.ndjson
    python tools/contract_checks/reached.py run.ndjson

Prints the statuses of every operation, and the share of valid calls that succeeded. The exit status is 1 if an
operation was never answered with 2xx, and 2 if there is no complete report.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

METHOD_NOT_ALLOWED = 405


class Exchange(NamedTuple):
    """One call of a run: its operation as method and path, whether it was meant to be valid, and the status."""

    operation: str
    valid: bool
    status: int


def exchanges(lines: Iterable[str]) -> Iterator[Exchange]:
    """Yields the calls in a report."""
    for line in lines:
        scenario: dict[str, Any] | None = json.loads(line).get("ScenarioFinished")
        if scenario is None:
            continue
        recorder = scenario["recorder"]
        for case_id, interaction in recorder.get("interactions", {}).items():
            case = recorder["cases"].get(case_id, {}).get("value")
            if case is None or interaction.get("response") is None:
                continue
            mode = (case.get("meta") or {}).get("generation", {}).get("mode")
            operation = f"{case['method']} {case['path']}"
            yield Exchange(operation, mode == "positive", interaction["response"]["status_code"])


class Reached(NamedTuple):
    """The statuses of every operation, operations that never succeeded, numbers of valid and of succeeded calls."""

    statuses: dict[str, Counter[int]]
    missed: list[str]
    valid: int
    succeeded: int

    @property
    def share(self) -> float:
        """The share of the valid calls that succeeded."""
        return self.succeeded / self.valid if self.valid else 0.0

    def lines(self) -> list[str]:
        """Returns the lines to print. The last one has the totals."""
        return [
            *(
                f"{operation}: {', '.join(f'{status} ({n})' for status, n in sorted(statuses.items()))}"
                for operation, statuses in self.statuses.items()
            ),
            *([f"never 2xx: {', '.join(self.missed)}"] if self.missed else []),
            f"{len(self.statuses)} operations; {self.share:.0%} of {self.valid} valid calls were answered with 2xx",
        ]


def reached(lines: Iterable[str]) -> Reached:
    """Returns what the run reached."""
    found = list(exchanges(lines))
    # Calls with undocumented methods are only made to see the 405.
    documented = sorted({each.operation for each in found if each.status != METHOD_NOT_ALLOWED})
    statuses = {operation: Counter[int]() for operation in documented}
    for each in found:
        if each.operation in statuses:
            statuses[each.operation][each.status] += 1
    valid = [each.status for each in found if each.valid]
    return Reached(
        statuses,
        missed=[operation for operation, seen in statuses.items() if not any(200 <= each < 300 for each in seen)],
        valid=len(valid),
        succeeded=sum(200 <= status < 300 for status in valid),
    )


def main() -> None:
    """Print what was reached, and exit."""
    arguments = argparse.ArgumentParser(description="Say what a run of Schemathesis reached, by its NDJSON report.")
    arguments.add_argument("report", type=Path)
    path: Path = arguments.parse_args().report
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        if not lines or "EngineFinished" not in json.loads(lines[-1]):
            arguments.error(f"{path} is no whole report: its last line does not say that the run finished")
        found = reached(lines)
    except (OSError, ValueError) as error:
        arguments.error(f"{path} cannot be read as a report: {error}")
    print("\n".join(found.lines()))
    sys.exit(1 if found.missed or not found.statuses else 0)


if __name__ == "__main__":
    main()

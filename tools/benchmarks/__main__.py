"""Measure the simulator, beside other servers: `python -m tools.benchmarks [PART…] [--quick]`.

A full run writes results.json in this folder, docs/benchmarks.md and docs/benchmarks.svg. `report` only writes the two
files in docs/ again, from the last results and the current goals.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from tools.benchmarks import in_process, scale_out, scenarios, serving
from tools.benchmarks.conditions import conditions
from tools.benchmarks.figures import Results
from tools.benchmarks.goals import NOT_MEASURED, read_goals
from tools.benchmarks.plot import plot
from tools.benchmarks.report import goals_table, report, sections
from tools.contract_checks.check import ROOT, Failed, Skipped

RESULTS = Path(__file__).with_name("results.json")
DOCS = ROOT / "docs"
OPEN_FILES = 8_192

PARTS = {
    "http": scenarios.measure,
    "in-process": in_process.measure,
    "serving": serving.measure,
    "scale-out": scale_out.measure,
}


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 1 if a measurement failed. A missed goal is not a failure of the run."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure the simulator, beside other servers.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}, or report; default: all")
    parser.add_argument("--quick", action="store_true", help="a short, small run that shows that everything works")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - {*PARTS, "report"}:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(PARTS)} and report")
    if "report" in options.parts:
        write(Results(**json.loads(RESULTS.read_text(encoding="utf-8"))))
        return 0
    results = measured(options.parts or list(PARTS), quick=options.quick)
    if options.parts or options.quick:
        print("", *sections(results), sep="\n")
    if options.quick:
        print("This quick run is shorter and smaller than its tables say, so its figures mean nothing.")
    elif not options.parts:
        RESULTS.write_text(json.dumps(asdict(results), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        write(results)
    return told(results)


def measured(parts: Sequence[str], *, quick: bool) -> Results:
    """Returns the results of some parts."""
    # If a signal ends this process, the servers must end too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, most) if most >= 0 else OPEN_FILES, most))
    results = Results(conditions())
    carry_out(results, parts, quick=quick)
    return results


def carry_out(results: Results, parts: Sequence[str], *, quick: bool) -> None:
    """Measure some parts. If a part cannot be measured, keep the reason."""
    for name in parts:
        part: Callable[..., None] = PARTS[name]
        try:
            part(results, quick=quick)
        except Skipped as skipped:
            results.skipped[name] = str(skipped)
        except Failed as failed:
            results.failed[name] = str(failed)


def write(results: Results) -> None:
    """Write docs/benchmarks.md and docs/benchmarks.svg."""
    DOCS.joinpath("benchmarks.md").write_text(report(results, read_goals()), encoding="utf-8")
    DOCS.joinpath("benchmarks.svg").write_text(plot(results), encoding="utf-8")


def told(results: Results) -> int:
    """Print the goals' results, what was skipped and what failed. Returns the exit status."""
    goals = [goal for goal in read_goals() if goal.verdict(goal.measured(results)) != NOT_MEASURED]
    print(f"\n{goals_table(results, goals)}")
    for place, reason in results.skipped.items():
        print(f"skipped: {place}: {reason}")
    for place, reason in results.failed.items():
        print(f"FAILED: {place}: {reason}", file=sys.stderr)
    return 1 if results.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)

"""Writes docs/benchmarks.md from the results of a run and the goals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tools.benchmarks.figures import FIGURES, RATES, Results, ratio
from tools.benchmarks.goals import AIM_NOT_REACHED, MISSED, NOT_MEASURED, Goal
from tools.benchmarks.peers import OURS, TITLES

NONE = "\N{EN DASH}"
GROWTH = ("put-in-world", "reset", "snapshot", "new-sandbox", "sandbox-memory")
REDACTION = ("redacted-path", "redacted-body")
SCALE_OUT = tuple(f"scale-{method}{part}" for method in ("get", "put") for part in ("", "-replicas", "-proxy"))
PROCESS = (
    *("start", "library-start", "library-restart", "memory-start", "memory", "memory-later"),
    *("health-alone", "health-patch", "health-patches", "used-sandbox-memory"),
    *("get-unwatched", "get-watched"),
)

WORDS = {"Here", "Why", "Verdict"}
"""Columns without numbers."""

INTRODUCTION = """\
# Benchmarks

Written by `make bench`; do not edit. How fast the simulator is, beside other servers that stand in for an API.

![Requests per second of the simulator and of other servers](benchmarks.svg)
"""

METHOD = Path(__file__).with_name("method.md")


def number(value: float | None) -> str:
    """Returns a value with three significant digits, or a dash."""
    if value is None:
        return NONE
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table in Markdown. Numbers are aligned on the right."""
    rule = ["---" if not index or name in WORDS else "---:" for index, name in enumerate(head)]
    lines = [head, rule, *([cell.replace("|", "/").replace("\n", " ") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def report(results: Results, goals: Sequence[Goal]) -> str:
    """Returns the whole page."""
    parts = [
        INTRODUCTION,
        f"## Goals\n\n{goals_table(results, goals)}",
        *sections(results),
        f"## Conditions\n\n{table(['What', 'Here'], results.conditions.items())}",
        METHOD.read_text(encoding="utf-8"),
    ]
    return "\n".join(parts)


def sections(results: Results) -> list[str]:
    """Yields the tables of figures, and of what was not measured."""
    tables = {
        "Requests per second": rates(results),
        "In process, processor time of a call": in_process(results),
        "Growth, calls in process in worlds of so many users": growth(results, "Users", GROWTH),
        "Growth, secrets taken out of so many bytes": growth(results, "Bytes", REDACTION),
        "The process": process(results),
        "Replicas behind HAProxy": growth(results, "Replicas", SCALE_OUT),
        "Not measured": left_out(results.skipped),
        "Failed": left_out(results.failed),
    }
    return [f"## {title}\n\n{rows}" for title, rows in tables.items() if rows]


def goals_table(results: Results, goals: Sequence[Goal]) -> str:
    """Returns a table of the goals, their results, and the reasons if they were missed."""
    rows = []
    for goal in goals:
        measured = goal.measured(results)
        verdict = goal.verdict(measured)
        if goal.reason and verdict in (MISSED, AIM_NOT_REACHED, NOT_MEASURED):
            verdict += f": {goal.reason}"
        sign = "≥" if goal.more_is_better else "≤"
        required, aim = (
            NONE if bound is None else f"{sign} {bound:,g} {goal.unit}" for bound in (goal.required, goal.aim)
        )
        shown = NONE if measured is None else f"{number(measured)} {goal.unit}"
        rows.append([goal.title, required, aim, shown, f"**{verdict}**" if verdict.startswith(MISSED) else verdict])
    return table(["Goal", "Required", "Aim", "Measured", "Verdict"], rows)


def rates(results: Results) -> str:
    """Yields tables of all servers' rates, p99 and processor time, and of the ratios of the simulator's rates."""
    measured = {server for figure in RATES for server in results.figures.get(figure, {})}
    servers = [server for server in TITLES if server in measured]
    if not servers:
        return ""
    head = ["Scenario", *(TITLES[server] for server in servers)]
    rows = [
        [
            FIGURES[figure].title if figure in RATES else _titled(figure),
            *(number(results.median(figure, server)) for server in servers),
        ]
        for figure in (*RATES, "p99", "cpu")
    ]
    others = [server for server in servers if server != OURS]
    ratios = [[FIGURES[figure].title, *(_ratio(results, figure, other) for other in others)] for figure in RATES]
    shared = [row for row in ratios if set(row[1:]) != {NONE}]
    compared = table(["apio-simulator to", *(TITLES[server] for server in others)], shared)
    return f"{table(head, rows)}\nThe ratio of apio-simulator's rate to that of the others:\n\n{compared}"


def _titled(figure: str) -> str:
    return f"{FIGURES[figure].title}, {FIGURES[figure].unit}"


def _ratio(results: Results, figure: str, other: str) -> str:
    figures: Mapping[str, list[float]] = results.figures.get(figure, {})
    both = figures.get(OURS), figures.get(other)
    return f"{number(ratio(both[0], both[1]))} times" if both[0] and both[1] else NONE


def in_process(results: Results) -> str:
    """Yields the table of the application's calls beside those of bare Flask."""
    columns = list(results.figures.get("wsgi-get", {}))
    if not columns:
        return ""
    rows = [
        [_titled(figure), *(number(results.median(figure, column)) for column in columns)]
        for figure in ("wsgi-get", "wsgi-put")
    ]
    return table(["Call", *(TITLES.get(column, f"apio-simulator, {column}") for column in columns)], rows)


def growth(results: Results, counted: str, figures: Sequence[str]) -> str:
    """Yields a table of figures at several sizes. `counted` says what the sizes count."""
    sizes = list(results.figures.get(figures[0], {}))
    if not sizes:
        return ""
    rows = [[_titled(figure), *(number(results.median(figure, size)) for size in sizes)] for figure in figures]
    return table([counted, *sizes], rows)


def process(results: Results) -> str:
    """Yields the tables of start, memory, and the waiting time of other clients."""
    rows = [
        [title, *(f"{number(value)} {unit}" if value is not None else NONE for value in values)]
        for figure in PROCESS
        if figure in results.figures
        for title, unit in [(FIGURES[figure].title, FIGURES[figure].unit)]
        for values in [[results.median(figure, server) for server in (OURS, "prism")]]
    ]
    return table(["Figure", TITLES[OURS], "Prism"], rows) if rows else ""


def left_out(reasons: Mapping[str, str]) -> str:
    """Yields the table of what was not measured, and why."""
    return table(["What", "Why"], reasons.items()) if reasons else ""

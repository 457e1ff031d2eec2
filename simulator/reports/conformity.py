"""The report of a comparison with a laboratory: text for the terminal, HTML for a browser, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import fill
from typing import Any

import orjson

from simulator.reports.page import render

Report = Mapping[str, Any]
"""What `simulator.lab.report` makes of a run."""

WIDTH = 100
INDENT = " " * 7
VERDICTS = ("contradicted", "not decidable", "confirmed")


def as_text(report: Report) -> str:
    """Returns the rules by verdict: the contradicted ones with the differences, the others with what is missing."""
    lines = [
        f"{report['system']}, {report['observed']}: {report['requests']} requests, permission {report['permission']}",
        *(f"This result cannot be trusted: {problem}." for problem in report["problems"]),
    ]
    if report["simulator"]:
        lines.append("A simulator gave the answers, so nothing here is an observation of a real system.")
    for verdict in VERDICTS:
        rules = [rule for rule in report["rules"] if rule["verdict"] == verdict]
        lines += ["", f"{verdict} ({len(rules)})"]
        if verdict == "confirmed" and rules:
            lines.append(_wrapped(", ".join(rule["rule"] for rule in rules)))
        else:
            lines += [line for rule in rules for line in _rule_lines(rule)]
    if report["others"]:
        lines += ["", "differences that no rule is about"]
        lines += [f"{INDENT}{each['operationId']}: {each['place']}" for each in report["others"]]
    if report["volatile"]:
        lines += ["", f"varies by itself, so it was not compared: {', '.join(report['volatile'])}"]
    if report["notes"]:
        lines += ["", "what could not be seen", *(_wrapped(note) for note in report["notes"])]
    return "\n".join(lines)


def as_json(report: Report) -> str:
    """Returns the report as indented JSON."""
    return orjson.dumps(report, option=orjson.OPT_INDENT_2).decode()


def as_html(report: Report) -> str:
    """Returns a page that needs no other file."""
    groups = [(each, [rule for rule in report["rules"] if rule["verdict"] == each]) for each in VERDICTS]
    return render(
        "reports/conformity.html", layout="reports/page.html", title="Conformity", report=report, groups=groups
    )


FORMATS = {"text": as_text, "json": as_json, "html": as_html}


def _rule_lines(rule: Mapping[str, Any]) -> Iterator[str]:
    if rule["verdict"] == "contradicted":
        yield _wrapped(rule["statement"], rule["rule"])
        follows = rule["follows"]
        can = "the simulator cannot follow it" if not follows else f"a profile follows it: {follows}"
        yield f"{INDENT}{can}"
        for part in rule["parts"]:
            if part["verdict"] == "contradicted":
                yield f"{INDENT}{part['part']}: {', '.join(part['places'])} ({', '.join(part['evidence'])})"
        return
    for i, part in enumerate(rule["parts"]):
        if part["reason"]:
            reason = f"{part['part']}: {part['reason']}" if part["part"] else part["reason"]
            yield _wrapped(reason, "" if i and rule["parts"][i - 1]["reason"] else rule["rule"])


def _wrapped(text: str, name: str = "") -> str:
    return fill(text, WIDTH, initial_indent=f"  {name:{len(INDENT) - 2}}", subsequent_indent=INDENT)

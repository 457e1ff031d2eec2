"""The report of a comparison with a laboratory: text for the terminal, HTML for a browser, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import fill
from typing import Any

import orjson

from simulator.reports.page import render

Report = Mapping[str, Any]
"""What `simulator.lab.report` makes of a run."""

WIDTH = 100
INDENT = " " * 4
NOT_FOLLOWED = "the simulator cannot do the same"
UNPROBED = "without a probe"
VERDICTS = ("contradicted", "not decidable", "confirmed")


def as_text(report: Report) -> str:
    """Returns the contradicted rules with the differences, the undecided ones by what is missing, and the others.

    Confirmed rules, and those that no laboratory can decide, are only named.
    """
    lines = [
        f"{report['system']}, {report['observed']}: {report['requests']} requests, permission {report['permission']}",
        *(f"This result cannot be trusted: {problem}." for problem in report["problems"]),
    ]
    if report["simulator"]:
        lines.append("A simulator gave the answers, so nothing here is an observation of a real system.")
    found = _sections(report)
    lines += ["", f"contradicted ({len(found['contradicted'])})"]
    lines += [line for rule in found["contradicted"] for line in _rule_lines(rule)]
    lines += ["", f"not decidable ({len(found['not decidable'])})", *_reason_lines(found["not decidable"])]
    lines += ["", f"confirmed ({len(found['confirmed'])})", *_listed(found["confirmed"])]
    lines += ["", f"without a probe ({len(found[UNPROBED])}), --format json says why", *_listed(found[UNPROBED])]
    if report["others"]:
        lines += ["", "differences that no rule is about"]
        lines += [f"  {each['operationId']}: {each['place']}" for each in report["others"]]
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
    groups = list(_sections(report).items())
    return render(
        "reports/conformity.html", layout="reports/page.html", title="Comparison", report=report, groups=groups
    )


FORMATS = {"text": as_text, "json": as_json, "html": as_html}


def _sections(report: Report) -> dict[str, list[Any]]:
    """Returns the rules by verdict. Those that no laboratory can decide are apart."""
    sections: dict[str, list[Any]] = {verdict: [] for verdict in (*VERDICTS, UNPROBED)}
    for rule in report["rules"]:
        sections[rule["verdict"] if rule["parts"][0]["part"] else UNPROBED].append(rule)
    return sections


def _rule_lines(rule: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a contradicted rule."""
    yield _wrapped(f"{rule['rule']}: {rule['statement']}")
    for part in rule["parts"]:
        if part["verdict"] == "contradicted":
            yield f"{INDENT}{part['part']}: {', '.join(part['places'])} ({', '.join(part['evidence'])})"
    follows = rule["follows"]
    yield f"{INDENT}{f'with --profile, the simulator does the same: {follows}' if follows else NOT_FOLLOWED}"


def _reason_lines(rules: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is missing, each with the rules that are not decided for that reason."""
    by_reason: dict[str, dict[str, None]] = {}
    for rule in rules:
        for part in rule["parts"]:
            if part["reason"]:
                by_reason.setdefault(part["reason"], {})[rule["rule"]] = None
    for reason, names in by_reason.items():
        yield _wrapped(f"{reason}: {', '.join(names)}")


def _listed(rules: Sequence[Mapping[str, Any]]) -> list[str]:
    text = ", ".join(rule["rule"] for rule in rules)
    return [_wrapped(text)] if text else []


def _wrapped(text: str) -> str:
    return fill(text, WIDTH, initial_indent="  ", subsequent_indent=INDENT)

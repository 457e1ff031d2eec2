"""Coverage reports: text for the terminal, JUnit for a CI server, HTML for a browser. Also adds up several."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from simulator.reports.page import render
from simulator.reports.text import printable

Coverage = Mapping[str, Any]
"""The answer of `GET /_simulator/coverage`."""

COUNTS = ("rules", "assumed", "ignored")
"""What is counted for an operation besides its statuses."""

SEGMENTS_SHOWN = 3


def merged(coverages: Sequence[Coverage]) -> Coverage:
    """Returns the sum of several coverages, operation by operation and status by status."""
    operations: dict[str, dict[str, Any]] = {}
    undocumented: Counter[tuple[str, str, int | None]] = Counter()
    for coverage in coverages:
        for each in coverage["operations"]:
            _add(operations.setdefault(each["operationId"], {}), each)
        for call in coverage["undocumented"]:
            undocumented[call["method"], call["path"], call.get("status")] += call["hits"]
    statuses = [data for each in operations.values() for data in each["statuses"].values() if data["documented"]]
    return {
        "sandbox": ", ".join(dict.fromkeys(coverage["sandbox"] for coverage in coverages)),
        "operations": list(operations.values()),
        "undocumented": [
            {"method": method, "path": path, "status": status, "hits": hits}
            for (method, path, status), hits in undocumented.items()
        ],
        "totals": {
            "operations": len(operations),
            "operationsHit": sum(each["hits"] > 0 for each in operations.values()),
            "statuses": len(statuses),
            "statusesHit": sum(data["hits"] > 0 for data in statuses),
        },
    }


def percentage(coverage: Coverage, of: str) -> float:
    """Returns how many per cent of the `operations` were called, or of the documented `statuses` were seen."""
    totals = coverage["totals"]
    return 100.0 * float(totals[f"{of}Hit"]) / float(totals[of] or 1)


def summary(coverage: Coverage) -> str:
    """Returns a line with the totals and, if some operations were never called, a second line that lists them."""
    totals = coverage["totals"]
    sums = (
        f"{totals['operationsHit']} of {totals['operations']} operations ({percentage(coverage, 'operations'):.0f} %), "
        f"{totals['statusesHit']} of {totals['statuses']} documented statuses "
        f"({percentage(coverage, 'statuses'):.0f} %)"
    )
    missing = [each["operationId"] for each in coverage["operations"] if not each["hits"]]
    return "\n".join([sums, *([f"never called: {', '.join(missing)}"] if missing else [])])


def as_text(coverage: Coverage) -> str:
    """Returns a line for each operation: its hits, the statuses seen, and the documented ones that are missing."""
    width = max((len(operation["operationId"]) for operation in coverage["operations"]), default=0)
    lines = []
    for operation in coverage["operations"]:
        seen = [_seen(status, data) for status, data in operation["statuses"].items() if data["hits"]]
        missing = _missing(operation)
        parts = [f"{operation['operationId']:{width}}", f"{operation['hits']:5}", " ".join(seen) or "never called"]
        if seen and missing:
            parts.append(f"missing {' '.join(missing)}")
        lines.append("  ".join(parts))
    lines += [f"called, not documented: {call} ({hits})" for call, hits in _undocumented(coverage)]
    lines += [f"sent, ignored: {operation} {name} ({hits})" for operation, name, hits in _ignored(coverage)]
    lines += [f"rests on assumed {rule}: {_by_operation(who)}" for rule, who in _assumed(coverage).items()]
    return "\n".join([*lines, summary(coverage).partition("\n")[0]])


def as_json(coverage: Coverage) -> str:
    """Returns the coverage as indented JSON, which `--merge` can read."""
    return json.dumps(coverage, indent=2, ensure_ascii=False)


def as_junit(coverage: Coverage) -> str:
    """Returns a JUnit test suite with a case for each operation and for each documented status.

    The case of an operation fails if it was never called. The case of a status is skipped if it was never seen.
    """
    totals = coverage["totals"]
    suite = ElementTree.Element(
        "testsuite",
        name=f"coverage of {coverage['sandbox']}",
        tests=str(totals["operations"] + totals["statuses"]),
        failures=str(totals["operations"] - totals["operationsHit"]),
        skipped=str(totals["statuses"] - totals["statusesHit"]),
    )
    for operation in coverage["operations"]:
        name = operation["operationId"]
        case = ElementTree.SubElement(suite, "testcase", classname="operations", name=name)
        if not operation["hits"]:
            message = f"{operation['method']} {operation['path']} was never called"
            ElementTree.SubElement(case, "failure", message=message)
        for status in _documented(operation):
            case = ElementTree.SubElement(suite, "testcase", classname=f"statuses.{name}", name=status)
            if status in _missing(operation):
                ElementTree.SubElement(case, "skipped", message=f"{name} never answered {status}")
    for element in suite.iter():
        element.attrib = {name: printable(value) for name, value in element.attrib.items()}
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def as_html(coverage: Coverage) -> str:
    """Returns a page that needs no other file: a table of operations by statuses, then lists."""
    return render("reports/coverage.html", layout="reports/page.html", **page_values(coverage))


def page_values(coverage: Coverage) -> dict[str, Any]:
    """Returns what the template of the page shows. A separate page has no `links`.

    Operations that were never called come first, then those with the most missing statuses.
    """
    statuses = sorted({status for operation in coverage["operations"] for status in operation["statuses"]})
    operations = sorted(coverage["operations"], key=lambda each: (each["hits"] > 0, -len(_missing(each))))
    return {
        "title": f"Coverage of {_name(coverage)}",
        "coverage": coverage,
        "statuses": statuses,
        "operations": operations,
        "undocumented": _undocumented(coverage),
        "ignored": _ignored(coverage),
        "assumed": [(rule, _by_operation(who)) for rule, who in _assumed(coverage).items()],
        "percentage": percentage,
        "short": _short,
        "links": {},
        "calls": None,
        "rules": None,
    }


FORMATS = {"text": as_text, "json": as_json, "junit": as_junit, "html": as_html}


def _add(total: dict[str, Any], operation: Mapping[str, Any]) -> None:
    """Add the counts of an operation to its totals."""
    for name in ("operationId", "method", "path"):
        total.setdefault(name, operation[name])
    total["hits"] = total.get("hits", 0) + operation["hits"]
    statuses = total.setdefault("statuses", {})
    for status, data in operation["statuses"].items():
        known = statuses.setdefault(status, {"documented": False, "hits": 0})
        known["documented"] |= data["documented"]
        known["hits"] += data["hits"]
    total["statuses"] = dict(sorted(statuses.items()))
    for counts in COUNTS:
        total[counts] = dict(Counter(total.get(counts, {})) + Counter(operation[counts]))


def _documented(operation: Mapping[str, Any]) -> list[str]:
    return [status for status, data in operation["statuses"].items() if data["documented"]]


def _missing(operation: Mapping[str, Any]) -> list[str]:
    return [status for status in _documented(operation) if not operation["statuses"][status]["hits"]]


def _undocumented(coverage: Coverage) -> list[tuple[str, int]]:
    return [
        (printable(f"{call['method']} {call['path']} {call.get('status') or 'closed'}"), call["hits"])
        for call in coverage["undocumented"]
    ]


def _ignored(coverage: Coverage) -> list[tuple[str, str, int]]:
    return [
        (operation["operationId"], printable(name), hits)
        for operation in coverage["operations"]
        for name, hits in operation["ignored"].items()
    ]


def _assumed(coverage: Coverage) -> dict[str, dict[str, int]]:
    """Returns, for each assumed rule, how often answers rested on it, by operation."""
    rules: dict[str, dict[str, int]] = {}
    for operation in coverage["operations"]:
        for rule, hits in operation["assumed"].items():
            rules.setdefault(rule, {})[operation["operationId"]] = hits
    return dict(sorted(rules.items(), key=lambda item: -sum(item[1].values())))


def _by_operation(hits: Mapping[str, int]) -> str:
    return ", ".join(f"{operation} ({number})" for operation, number in hits.items())


def _seen(status: str, data: Mapping[str, Any]) -> str:
    return f"{status} ({data['hits']}{'' if data['documented'] else ', not documented'})"


def _name(coverage: Coverage) -> str:
    return "all sandboxes" if coverage["sandbox"] == "*" else f"the sandbox {coverage['sandbox']}"


def _short(path: str) -> str:
    """Returns the end of a path, which is enough to tell operations apart."""
    segments = path.strip("/").split("/")
    return path if len(segments) <= SEGMENTS_SHOWN else f"…/{'/'.join(segments[-SEGMENTS_SHOWN:])}/"

"""Coverage as a report: text for the terminal, JUnit for a CI server, HTML for a browser."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any
from xml.etree import ElementTree

import orjson

Coverage = Mapping[str, Any]
"""What `GET /_simulator/coverage` answers."""


def percentage(coverage: Coverage) -> float:
    """How many of the operations were called at least once, in per cent."""
    totals = coverage["totals"]
    return 100.0 * float(totals["operationsHit"]) / float(totals["operations"])


def as_text(coverage: Coverage) -> str:
    """One line an operation: its hits, the documented statuses that were exercised, and those that were not."""
    width = max(len(operation["operationId"]) for operation in coverage["operations"])
    lines = []
    for operation in coverage["operations"]:
        seen = [_seen(status, data) for status, data in operation["statuses"].items() if data["hits"]]
        missing = [status for status, data in operation["statuses"].items() if not data["hits"]]
        parts = [f"{operation['operationId']:{width}}", f"{operation['hits']:5}", " ".join(seen) or "never called"]
        if seen and missing:
            parts.append(f"missing {' '.join(missing)}")
        lines.append("  ".join(parts))
    lines += [
        f"not documented: {call['method']} {call['path']} {call['status']} ({call['hits']})"
        for call in coverage["undocumented"]
    ]
    totals = coverage["totals"]
    lines.append(
        f"{totals['operationsHit']} of {totals['operations']} operations ({percentage(coverage):.0f} %), "
        f"{totals['statusesHit']} of {totals['statuses']} documented statuses"
    )
    return "\n".join(lines)


def as_json(coverage: Coverage) -> str:
    """The answer itself, for people."""
    return orjson.dumps(coverage, option=orjson.OPT_INDENT_2).decode()


def as_junit(coverage: Coverage) -> str:
    """A test suite with a case for each operation, which fails if the operation was never called."""
    totals = coverage["totals"]
    suite = ElementTree.Element(
        "testsuite",
        name=f"coverage of {coverage['sandbox']}",
        tests=str(totals["operations"]),
        failures=str(totals["operations"] - totals["operationsHit"]),
    )
    for operation in coverage["operations"]:
        case = ElementTree.SubElement(suite, "testcase", classname="operations", name=operation["operationId"])
        if not operation["hits"]:
            message = f"{operation['method']} {operation['path']} was never called"
            ElementTree.SubElement(case, "failure", message=message)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def as_html(coverage: Coverage) -> str:
    """One page that needs nothing else: operations by statuses, the ones never called first."""
    statuses = sorted({status for operation in coverage["operations"] for status in operation["statuses"]})
    head = "".join(f"<th>{status}</th>" for status in statuses)
    operations = sorted(coverage["operations"], key=lambda operation: operation["hits"] > 0)
    rows = "\n".join(_row(operation, statuses) for operation in operations)
    calls = "".join(
        f"<li><code>{escape(call['method'])} {escape(call['path'])}</code> {call['status']} ({call['hits']})</li>"
        for call in coverage["undocumented"]
    )
    totals = coverage["totals"]
    return _PAGE.format(
        sandbox=escape(coverage["sandbox"]),
        operations=f"{totals['operationsHit']} of {totals['operations']}",
        statuses=f"{totals['statusesHit']} of {totals['statuses']}",
        head=head,
        rows=rows,
        undocumented=f"<h2>Called, but not documented</h2><ul>{calls}</ul>" if calls else "",
    )


FORMATS = {"text": as_text, "json": as_json, "junit": as_junit, "html": as_html}


def _seen(status: str, data: Mapping[str, Any]) -> str:
    return f"{status} ({data['hits']}{'' if data['documented'] else ', not documented'})"


def _row(operation: Mapping[str, Any], statuses: list[str]) -> str:
    cells = "".join(_cell(operation["statuses"].get(status)) for status in statuses)
    rules = ", ".join(f"{escape(rule)} ({hits})" for rule, hits in operation["rules"].items())
    name = (
        f"<b>{escape(operation['operationId'])}</b><br><code>{operation['method']} {escape(operation['path'])}</code>"
    )
    called = "hit" if operation["hits"] else "miss"
    return f'<tr><th class="{called}">{name}</th>{cells}<td class="rules">{rules}</td></tr>'


def _cell(data: Mapping[str, Any] | None) -> str:
    if data is None:
        return "<td></td>"
    kind = "odd" if not data["documented"] else "hit" if data["hits"] else "miss"
    return f'<td class="{kind}">{data["hits"]}</td>'


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>apio-simulator: coverage of {sandbox}</title>
<style>
body {{ font: 14px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 90em; padding: 0 1em; color: #222; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .3em .7em; border: 1px solid #ddd; text-align: center; }}
tbody th {{ text-align: left; font-weight: normal; border-left: 4px solid; }}
code {{ font-size: 12px; color: #666; }}
.hit {{ background: #e3f4e5; border-left-color: #3a9d4b; }}
.miss {{ background: #fdeaea; border-left-color: #d33; color: #a00; }}
.odd {{ background: #fff3d6; }}
.rules {{ text-align: left; }}
</style>
</head>
<body>
<h1>Coverage of the sandbox {sandbox}</h1>
<p><b>{operations}</b> operations were called, <b>{statuses}</b> documented statuses seen.
Green: exercised. Red: documented, never seen. Yellow: seen, not documented.</p>
<table>
<thead><tr><th>Operation</th>{head}<th>Refusals by rule</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
{undocumented}
</body>
</html>
"""

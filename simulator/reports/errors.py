"""The error catalogue as a report: text for the terminal, HTML for a browser, JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

import orjson

from simulator.reports.page import render

Catalogue = Mapping[str, Any]
"""The answer of `GET /_simulator/errors`."""

ANY = "No operation"


def as_text(catalogue: Catalogue) -> str:
    """Returns the refusals by operation: code, rule and reason, a request that causes it, and the answer."""
    lines = []
    for operation, errors in _by_operation(catalogue):
        lines.append(operation)
        for error in errors:
            lines += [
                f"  {error['code']} {error['message']}, {_rule(error)}",
                f"    {error['response']['body']['errors'][0]['details']['reason']}",
                *(f"    serve {option}" for option in error.get("options", ())),
                f"    {error['command']}",
                f"    {error['status']} {orjson.dumps(error['response']['body']).decode()}",
            ]
    return "\n".join(lines)


def as_json(catalogue: Catalogue) -> str:
    """Returns the catalogue as indented JSON."""
    return orjson.dumps(catalogue, option=orjson.OPT_INDENT_2).decode()


def as_html(catalogue: Catalogue) -> str:
    """Returns a page that needs no other file: the refusals by operation, each with its request and answer."""
    return render("reports/errors.html", layout="reports/page.html", **page_values(catalogue))


def page_values(catalogue: Catalogue) -> dict[str, Any]:
    """Returns what the template of the page shows."""
    return {
        "title": "Errors",
        "number": len(catalogue["errors"]),
        "sections": [(operation, list(errors)) for operation, errors in _by_operation(catalogue)],
        "rule_of": _rule,
        "json": as_json,
    }


FORMATS = {"text": as_text, "json": as_json, "html": as_html}


def _by_operation(catalogue: Catalogue) -> Iterable[tuple[str, Iterable[Mapping[str, Any]]]]:
    return groupby(catalogue["errors"], key=lambda error: error.get("operationId", ANY))


def _rule(error: Mapping[str, Any]) -> str:
    known = [basis for basis in error["basis"] if basis != "assumed"]
    return f"{error['rule']} ({'assumed' if error['assumed'] else ', '.join(known)})"

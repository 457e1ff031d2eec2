"""The error catalogue as a report: text for the terminal, HTML for a browser, JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from html import escape
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
    """Returns what the template of the page shows: the operations, and their refusals with anchors as HTML."""
    errors = catalogue["errors"]
    return {
        "title": "Errors",
        "number": len(errors),
        "sections": _sections(errors),
        "section_id": _section_id,
        "refusals": _refusals(orjson.dumps(errors)),
    }


def _sections(errors: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Any]]]:
    names = anchors((error.get("operationId"), error["rule"]) for error in errors)
    anchored = groupby(zip(names, errors, strict=True), key=lambda each: each[1].get("operationId", ANY))
    return [(operation, list(refusals)) for operation, refusals in anchored]


def _section_id(operation: str) -> str:
    return "none" if operation == ANY else operation


@lru_cache(maxsize=4)
def _refusals(errors: bytes) -> str:
    """Return the part of the page that lists the errors, given as JSON. Making it takes long, and it seldom changes."""
    return render(
        "reports/refusals.html",
        sections=_sections(orjson.loads(errors)),
        section_id=_section_id,
        rule_of=_rule,
        json=_indented,
        text=_content,
    )


def anchors(refusals: Iterable[tuple[str | None, str]]) -> list[str]:
    """Returns the anchor of each refusal on the page, given the operation and the rule of each.

    It is made of both and of a number, so it is the same on the page of one operation. Number 1 is the first.
    """
    numbers: Counter[str] = Counter()
    found = []
    for operation, rule in refusals:
        name = f"{operation or 'none'}-{rule}"
        numbers[name] += 1
        found.append(f"{name}-{numbers[name]}")
    return found


FORMATS = {"text": as_text, "json": as_json, "html": as_html}


def _by_operation(catalogue: Catalogue) -> Iterable[tuple[str, Iterable[Mapping[str, Any]]]]:
    return groupby(catalogue["errors"], key=lambda error: error.get("operationId", ANY))


def _rule(error: Mapping[str, Any]) -> str:
    known = [basis for basis in error["basis"] if basis != "assumed"]
    return f"{error['rule']} ({'assumed' if error['assumed'] else ', '.join(known)})"


def _indented(value: object) -> str:
    """Returns a value as JSON that is indented by tabs: half as long as by two blanks."""
    return json.dumps(value, indent="\t", ensure_ascii=False)


def _content(text: str) -> str:
    """Returns a text as the content of an element. Quotes need no escape there: this saves a fifth of the page."""
    return escape(text, quote=False)

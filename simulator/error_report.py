"""The error catalogue as a report: text for the terminal, HTML for a browser."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from itertools import groupby
from typing import Any

import orjson

from simulator.page import page

Catalogue = Mapping[str, Any]
"""What `GET /_simulator/errors` answers."""

ANY = "No operation"


def as_text(catalogue: Catalogue) -> str:
    """For each operation its refusals: what it is, how to provoke it, and the answer."""
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
    """The answer itself, for people."""
    return orjson.dumps(catalogue, option=orjson.OPT_INDENT_2).decode()


def as_html(catalogue: Catalogue) -> str:
    """One page that needs nothing else: the refusals of each operation, unfolded to request and answer."""
    sections = [(operation, list(errors)) for operation, errors in _by_operation(catalogue)]
    links = "".join(f'<a href="#{escape(name)}">{escape(name)} ({len(errors)})</a>' for name, errors in sections)
    content = [
        "<p>Every refusal of the simulated API, and one for each code and rule of the control interface, with the "
        "smallest request known that provokes it and the exact answer: on the default fixture, in the default sandbox "
        f"of a server with default options, unless options are named. {len(catalogue['errors'])} of them.</p>",
        f"<p>{links}</p>",
    ]
    for name, errors in sections:
        content.append(f'<h2 id="{escape(name)}">{escape(name)}</h2>')
        content += map(_details, errors)
    return page("Errors", "\n".join(content))


FORMATS = {"text": as_text, "json": as_json, "html": as_html}


def _by_operation(catalogue: Catalogue) -> Iterable[tuple[str, Iterable[Mapping[str, Any]]]]:
    return groupby(catalogue["errors"], key=lambda error: error.get("operationId", ANY))


def _rule(error: Mapping[str, Any]) -> str:
    known = [basis for basis in error["basis"] if basis != "assumed"]
    return f"{error['rule']} ({'assumed' if error['assumed'] else ', '.join(known)})"


def _details(error: Mapping[str, Any]) -> str:
    details = error["response"]["body"]["errors"][0]["details"]
    request = error["request"]
    place = f"<code>{escape(details['pointer'])}</code> " if "pointer" in details else ""
    if "operationId" not in error and "path" in request:
        place = f"<code>{escape(request['method'])} {escape(request['path'])}</code> "
    options = "".join(f"apio-simulator serve {option}\n" for option in error.get("options", ()))
    answer = orjson.dumps(error["response"]["body"], option=orjson.OPT_INDENT_2).decode()
    return (
        f'<details><summary><span class="cell miss">{error["code"]}</span> <b>{escape(error["message"])}</b>'
        f"{place}{escape(details['reason'][:160])} <small>{escape(_rule(error))}</small></summary>"
        f"<pre>{escape(options + error['command'])}</pre><pre>{error['status']}\n{escape(answer)}</pre></details>"
    )

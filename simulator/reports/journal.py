"""Entries of the journal and changes of the state, as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from simulator.reports.text import printable

LONGEST_VALUE = 200

SIGNS = {"add": "+", "remove": "-", "replace": "~"}

INDENT = " " * 13
"""Before what belongs to a call, so that it stands below the method."""

Styled = Callable[[str], str]
"""Adds colours to a status or to a sign."""


def call_text(entry: Mapping[str, Any], styled: Styled = str) -> str:
    """Returns a journal entry as text: a line with the call and its status, then one with the explanation if any.

    If the entry has a `server`, because several were asked, the first line names it.
    """
    time = entry["time"][11:23]
    query = f"?{entry['query']}" if "query" in entry else ""
    call = printable(f"{time} {entry['method']} {entry['path']}{query}")
    line = f"{call} {styled(str(entry.get('status', 'closed')))} {entry['durationMs']} ms"
    if "account" in entry:
        line += printable(f" as {entry['account']}")
    if "server" in entry:
        line += printable(f" at {entry['server']}")
    return "\n".join([line, *([INDENT + printable(entry["explanation"])] if "explanation" in entry else [])])


def details_text(entry: Mapping[str, Any]) -> str:
    """Returns what else the journal knows of a call as text: its id and operation, and both bodies."""
    details = {
        "id": entry["id"],
        "operation": entry.get("operationId", "none"),
        "request": _body(entry["request"]),
        "answer": _body(entry["response"]) if "response" in entry else "none",
    }
    return "\n".join(f"{INDENT}{name:10}{printable(text)}" for name, text in details.items())


def change_text(change: Mapping[str, Any], styled: Styled = str) -> str:
    """Returns a change of the state as one line: `+`, `-` or `~`, the path, and the values before and after."""
    values = [_value(change[which]) for which in ("before", "after") if which in change]
    text = printable(f"{change['path']}: {' -> '.join(values)}")
    return f"{styled(SIGNS[change['op']])} {text}"


def _body(message: Mapping[str, Any]) -> str:
    if "body" not in message:
        return "no body"
    body = message["body"]
    text = body if isinstance(body, str) else orjson.dumps(body).decode()
    return f"{text} … ({message['bodyBytes']} bytes)" if message.get("bodyCut") else text


def _value(value: object) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."

"""Entries of the journal and changes of the state, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from simulator.reports.text import printable

LONGEST_VALUE = 200


def call_text(entry: Mapping[str, Any]) -> str:
    """Returns a journal entry as text: a line with call, status and account, then one with the explanation if any."""
    time = entry["time"][11:23]
    query = f"?{entry['query']}" if "query" in entry else ""
    account = f" as {entry['account']}" if "account" in entry else ""
    status, milliseconds = entry.get("status", "closed"), entry["durationMs"]
    line = f"{time} {entry['method']} {entry['path']}{query} {status} {milliseconds} ms{account}"
    lines = [line, *([f"             {entry['explanation']}"] if "explanation" in entry else [])]
    return "\n".join(map(printable, lines))


def change_text(change: Mapping[str, Any]) -> str:
    """Returns a change of the state as one line: operation, path, and the values before and after."""
    values = [_value(change[which]) for which in ("before", "after") if which in change]
    return printable(f"{change['op']} {change['path']}: {' -> '.join(values)}")


def _value(value: object) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."

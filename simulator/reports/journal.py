"""Calls and changes as text for people: what the journal and a difference hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from simulator.reports.text import printable

LONGEST_VALUE = 200


def call_text(entry: Mapping[str, Any]) -> str:
    """An entry of the journal: a line of what was called and answered, and one of why it was refused, if it was."""
    moment = entry["time"][11:23]
    query = f"?{entry['query']}" if "query" in entry else ""
    line = f"{moment} {entry['method']} {entry['path']}{query} {entry.get('status', 'closed')} {entry['durationMs']} ms"
    lines = [line, *([f"             {entry['explanation']}"] if "explanation" in entry else [])]
    return "\n".join(map(printable, lines))


def change_text(change: Mapping[str, Any]) -> str:
    """A change of the state as one line: what happened where, and the values before and after."""
    values = [_value(change[which]) for which in ("before", "after") if which in change]
    return printable(f"{change['op']} {change['path']}: {' -> '.join(values)}")


def _value(value: object) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."

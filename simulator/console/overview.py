"""Prepares the overview of a sandbox for its page."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from simulator.console import changes, faults

MOST_COMPARED = 10
"""With how many snapshots a page compares the state by itself."""

MOST_CHANGES = 6
"""How many changes the overview shows."""

_REFUSED = re.compile(r"^[A-Za-z ]{1,80} was refused with \d+, [^.]*\. ")


def page_values(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the template of the overview shows besides the answer."""
    return {
        "compares": data["counts"]["users"] <= changes.MOST_USERS,
        "most_changes": MOST_CHANGES,
        "grouped": changes.grouped,
        "reason": _reason,
        "active": [each for each in data["faults"] if not faults.is_spent(each)],
        "words": faults,
        "snippets": _snippets(data["address"], data.get("command", "")),
    }


def _reason(explanation: str) -> str:
    """Return the middle of an explanation: what was wrong. Operation, status and rule stand beside it on the page."""
    return _REFUSED.sub("", explanation).partition(" Rule ")[0]


def _snippets(address: str, command: str) -> list[tuple[str, str, str]]:
    """Return how clients are pointed to an address: id, title, and code that can be copied."""
    words = shlex.split(command)
    reads = "-X" not in words
    url = next((word for word in words if reads and word.startswith(address)), f"{address}/api/v1/")
    headers = dict(word.split(": ", 1) for before, word in pairwise(words) if before == "-H")
    options = f", {{ headers: {json.dumps(headers)} }}" if reads and headers else ""
    return [
        ("env", "Environment file, with the name that your app reads", f"API_URL={address}/api/v1"),
        ("shell", "curl", command or f"curl {shlex.quote(url)}"),
        (
            "fetch",
            "fetch",
            f"const answer = await fetch({json.dumps(url)}{options})\nconsole.log(answer.status, await answer.json())",
        ),
        (
            "playwright",
            "Playwright: send the app's calls here",
            'await page.route("**/api/v1/**", route => {\n'
            "  const { pathname, search } = new URL(route.request().url())\n"
            f"  return route.continue({{ url: {json.dumps(address)} + pathname + search }})\n"
            "})",
        ),
    ]

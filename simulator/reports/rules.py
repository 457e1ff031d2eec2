"""The rules of the ledger as text."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill, shorten
from typing import Any

WIDTH = 100
INDENT = " " * 12
MOST_REQUESTS = 5
"""How many of the refused requests are shown for a rule. Some rules have a hundred."""


def list_text(ledger: Mapping[str, Any]) -> str:
    """Returns a line for each rule: its id, and the beginning of its statement."""
    return "\n".join(f"{rule['id']:6}{shorten(rule['statement'], WIDTH, placeholder=' …')}" for rule in ledger["rules"])


def rule_text(rule: Mapping[str, Any]) -> str:
    """Returns a rule: statement, basis, choices of profiles, who follows it, and requests that are refused by it."""
    parts = [
        (rule["id"], rule["statement"]),
        ("basis", ", ".join(rule["basis"])),
        ("source", rule["source"]),
        *(("choice", f"{name} (with a profile): {text}") for name, text in rule["choices"].items()),
        ("operations", ", ".join(rule["operations"]) or "all that it applies to; the contract names none"),
    ]
    lines = [
        fill(text, WIDTH, initial_indent=f"{name:{len(INDENT)}}", subsequent_indent=INDENT, break_long_words=False)
        for name, text in parts
    ]
    errors = rule["errors"]
    lines.append(f"{'tested by':{len(INDENT)}}{_requests(len(errors))}")
    for error in errors[:MOST_REQUESTS]:
        reason = error["response"]["body"]["errors"][0]["details"]["reason"]
        lines.append(f"{INDENT}{error.get('operationId', 'no operation')}: {error['status']}, {reason}")
        lines += [f"{INDENT}  serve {option}" for option in error.get("options", ())]
        lines.append(f"{INDENT}  {error['command']}")
    if len(errors) > MOST_REQUESTS:
        lines.append(f"{INDENT}and {len(errors) - MOST_REQUESTS} more; --format json shows all")
    return "\n".join(lines)


def _requests(number: int) -> str:
    if not number:
        return "no request: this rule alone refuses nothing"
    return f"{number} request{'s' if number > 1 else ''} of the error catalogue, refused by this rule"

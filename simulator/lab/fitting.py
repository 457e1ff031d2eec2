"""Leaves out of a fixture's content what no fixture can hold."""

from __future__ import annotations

from collections import Counter
from typing import Any

from simulator.errors import RuleViolation
from simulator.fixture.fixtures import Fixtures

MOST_ROUNDS = 10
"""How often the content is read again. What is left out may be missed elsewhere: a user as a member, for example."""


def fit(content: dict[str, Any], fixtures: Fixtures) -> list[str]:
    """Leave out of the content what a rule of the simulator forbids, and return sentences about it.

    A real system may follow other rules. Raises `RuleViolation` if the content cannot be made to fit.
    """
    left_out: Counter[str] = Counter()
    for attempt in range(MOST_ROUNDS):
        try:
            fixtures.world_of_content(content)
        except RuleViolation as violation:
            # From the end, so that the indices before stay true.
            pointers = {fault.pointer or "": fault.rule for fault in reversed(violation.faults)}
            removed = Counter(rule for pointer, rule in pointers.items() if _remove(content, pointer))
            if not removed or attempt == MOST_ROUNDS - 1:
                raise
            left_out += removed
        else:
            break
    return [
        f"Values that were changed or left out, because the simulator's rule {rule} does not allow them: {number}."
        for rule, number in sorted(left_out.items())
    ]


def _remove(content: dict[str, Any], pointer: str) -> bool:
    """Remove what stands at a pointer. Return whether something stood there."""
    keys = [each.replace("~1", "/").replace("~0", "~") for each in pointer.split("/")[1:]]
    places: list[Any] = [content]
    for key in keys:
        inner = places[-1]
        try:
            places.append(inner[int(key)] if isinstance(inner, list) else inner[key])
        except (LookupError, ValueError):
            return False
    if keys and keys[-1] == "name":
        # A capacity or a criterion must have a name.
        keys, places = keys[:-1], places[:-1]
    if len(places) < 2:
        return False
    around, key = places[-2], keys[-1]
    if isinstance(places[-1], bool):
        around[key] = False
    elif isinstance(around, list):
        del around[int(key)]
    else:
        del around[key]
    return True

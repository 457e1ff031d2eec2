"""What is different between two fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulator.document import token


def differences(before: Any, after: Any, path: str = "") -> Iterator[dict[str, Any]]:
    """The changes from one content to another: `op`, `path`, and `before` and `after` where there is such (S-5).

    The items of a list of named things stand under their names, unless their order changed too; another list is
    compared as a whole. The order of an object's members does not count.
    """
    if isinstance(before, list) and isinstance(after, list):
        before_by_name, after_by_name = _by_name(before), _by_name(after)
        if before_by_name is None or after_by_name is None or _order_differs(before_by_name, after_by_name):
            if before != after:
                yield {"op": "replace", "path": path, "before": before, "after": after}
            return
        before, after = before_by_name, after_by_name
    if not (isinstance(before, dict) and isinstance(after, dict)):
        if before != after:
            yield {"op": "replace", "path": path, "before": before, "after": after}
        return
    for key in {**before, **after}:
        place = path + token(key)
        if key not in after:
            yield {"op": "remove", "path": place, "before": before[key]}
        elif key not in before:
            yield {"op": "add", "path": place, "after": after[key]}
        else:
            yield from differences(before[key], after[key], place)


def _by_name(items: list[Any]) -> dict[str, Any] | None:
    """The items by name, or nothing where not every item has a name of its own."""
    if not all(isinstance(item, dict) and "name" in item for item in items):
        return None
    named = {item["name"]: item for item in items}
    return named if len(named) == len(items) else None


def _order_differs(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether removing and appending alone would not lead to the order afterwards."""
    kept = [name for name in before if name in after]
    return [*kept, *(name for name in after if name not in before)] != list(after)

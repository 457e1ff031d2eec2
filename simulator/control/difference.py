"""The differences between two fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulator.document import pointer_step


def differences(before: Any, after: Any, path: str = "") -> Iterator[dict[str, Any]]:
    """Yields the changes between two contents: `op`, `path`, `before` if it existed, `after` if it exists (S-5).

    In a list of named items, `path` holds the name of the changed item. Other lists are compared as a whole, and so are
    lists whose order changed. The order of an object's members does not count.
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
        place = path + pointer_step(key)
        if key not in after:
            yield {"op": "remove", "path": place, "before": before[key]}
        elif key not in before:
            yield {"op": "add", "path": place, "after": after[key]}
        else:
            yield from differences(before[key], after[key], place)


def _by_name(items: list[Any]) -> dict[str, Any] | None:
    """Returns the items by name, or `None` if some item has no name or shares it with another."""
    if not all(isinstance(item, dict) and "name" in item for item in items):
        return None
    named = {item["name"]: item for item in items}
    return named if len(named) == len(items) else None


def _order_differs(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether the new order could not be reached by removing and appending items only."""
    kept = [name for name in before if name in after]
    return [*kept, *(name for name in after if name not in before)] != list(after)

"""The limits of a document, and the values of unquoted YAML texts."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

DEEPEST = 200
"""How deeply a file may be nested."""
LONGEST_KEY = 1_000
"""How many characters a key may have. The limit saves memory: the pointer of every place below repeats the key."""

_SCALARS = {
    "int": re.compile(r"[-+]?(0|[1-9][0-9]*)"),
    "float": re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "null": re.compile(r"~|null|Null|NULL|"),
}
_BEGINNINGS = frozenset("-+.0123456789tTfFnN~")


def collections(value: object) -> Iterator[list[Any]]:
    """Yield the objects and arrays of a value, level by level. There is no recursion, so any depth is allowed."""
    level = [value] if isinstance(value, (dict, list)) else []
    while level:
        yield level
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]


def deeper_than(value: object, levels: int) -> bool:
    """Return whether objects and arrays are nested more deeply than `levels`."""
    inside = [iter((value,))]
    while inside:
        for inner in inside[-1]:
            if isinstance(inner, (dict, list)):
                if len(inside) > levels:
                    return True
                inside.append(iter(inner.values() if isinstance(inner, dict) else inner))
                break
        else:
            inside.pop()
    return False


def scalar(text: str) -> Any:
    """Return the value of a YAML text without quotation marks."""
    # For most texts the first character is enough.
    if text and text[0] not in _BEGINNINGS:
        return text
    if _SCALARS["null"].fullmatch(text):
        return None
    if _SCALARS["bool"].fullmatch(text):
        return text[0] in "tT"
    # Python does not convert more digits than this. The value stays text, and errors show it.
    if len(text) < sys.get_int_max_str_digits() and _SCALARS["int"].fullmatch(text):
        return int(text)
    if _SCALARS["float"].fullmatch(text):
        return float(text)
    return text

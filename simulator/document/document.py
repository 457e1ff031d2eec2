"""Plain data, and the lines of its places."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from simulator.errors import Problem


class Document:
    """A file's content as JSON types, and the lines of its places.

    `problems` holds the mistakes of a file that can be read in spite of them.
    """

    def __init__(self, name: str, data: Any, find_lines: Callable[[], dict[str, int]] = dict) -> None:
        self.name = name
        self.data = data
        self.problems: list[Problem] = []
        self._find_lines = find_lines

    @cached_property
    def lines(self) -> dict[str, int]:
        """For every JSON Pointer of the content, the line (from 1) where it starts.

        The lines are found at the first access: finding them takes far longer than reading the file.
        """
        return self._find_lines()

    def place(self, pointer: str) -> str:
        """Return `file:line` of the place or, if it does not exist, of the nearest place around it.

        A document that comes from no file has no lines. Then the name alone is returned.
        """
        if not self.lines:
            return self.name
        while pointer not in self.lines and pointer:
            pointer = pointer.rpartition("/")[0]
        return f"{self.name}:{self.lines.get(pointer, 1)}"

    def find(self, pointer: str) -> Any:
        """Return the value at a JSON Pointer, or `None`."""
        value = self.data
        for part in pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(value, dict) and key in value:
                value = value[key]
            elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                value = value[int(key)]
            else:
                return None
        return value

    def problem(self, pointer: str, message: str) -> Problem:
        """Return a problem at `pointer`."""
        return Problem(f"{self.place(pointer)}: {pointer or '/'}", message)


def pointer_step(key: object) -> str:
    """Return a key as one token of a JSON Pointer (RFC 6901), with its leading slash."""
    return "/" + str(key).replace("~", "~0").replace("/", "~1")


def pointer_to(path: Iterable[object]) -> str:
    """Return the JSON Pointer for a sequence of keys and indices."""
    return "".join(map(pointer_step, path))

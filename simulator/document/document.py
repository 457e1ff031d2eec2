"""Plain data, and where its places are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from simulator.errors import Problem


class Document:
    """A file's content as JSON types, and where its places are.

    `problems` holds what is wrong with the file although it could be read.
    """

    def __init__(self, name: str, data: Any, find_lines: Callable[[], dict[str, int]] = dict) -> None:
        self.name = name
        self.data = data
        self.problems: list[Problem] = []
        self._find_lines = find_lines

    @cached_property
    def lines(self) -> dict[str, int]:
        """For every JSON Pointer of the content, the line (from 1) on which it starts.

        Found when first asked for: to know them takes far longer than to read the file.
        """
        return self._find_lines()

    def place(self, pointer: str) -> str:
        """`file:line` of the place itself or, where it does not exist, of the nearest place around it.

        What never was a file has no lines, only its name.
        """
        if not self.lines:
            return self.name
        while pointer not in self.lines and pointer:
            pointer = pointer.rpartition("/")[0]
        return f"{self.name}:{self.lines.get(pointer, 1)}"

    def find(self, pointer: str) -> Any:
        """What stands at a JSON Pointer, or `None`."""
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
        """Something to mend at `pointer`."""
        return Problem(f"{self.place(pointer)}: {pointer or '/'}", message)


def token(key: object) -> str:
    """A key as one token of a JSON Pointer (RFC 6901), with its leading slash."""
    return "/" + str(key).replace("~", "~0").replace("/", "~1")


def pointer_to(path: Iterable[object]) -> str:
    """The JSON Pointer of a sequence of keys and indices."""
    return "".join(map(token, path))

"""Plain data, and where its parts stand in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from simulator.errors import Problem


class Place(NamedTuple):
    """Where a value starts in its file: line and column, from 1. A value in a mapping starts with its key.

    `written` is the text of the file, if YAML has made a number, `true`, `false` or `null` of a text without quotes.
    """

    line: int
    column: int
    written: str | None = None


class Document:
    """A file's content as JSON types, and where its parts stand.

    `problems` holds the mistakes of a file that can be read in spite of them.
    """

    def __init__(self, name: str, data: Any, find_places: Callable[[], Mapping[str, Place]] = dict) -> None:
        self.name = name
        self.data = data
        self.problems: list[Problem] = []
        self._find_places = find_places

    @cached_property
    def places(self) -> Mapping[str, Place]:
        """For every JSON Pointer of the content, its place. A document that comes from no file has no places.

        The places are found at the first access: finding them takes far longer than reading the file.
        """
        return self._find_places()

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

    def problem(self, pointer: str, message: str, rule: str | None = None) -> Problem:
        """Return a problem at `pointer`. If nothing is there, it gets the line of the nearest place around it."""
        if not self.places:
            return Problem(self.name, message, pointer=pointer, rule=rule)
        around = pointer
        while around not in self.places and around:
            around = around.rpartition("/")[0]
        place = self.places.get(around, Place(1, 1))
        return Problem(self.name, message, place.line, place.column, pointer, rule)


def pointer_step(key: object) -> str:
    """Return a key as one token of a JSON Pointer (RFC 6901), with its leading slash."""
    return "/" + str(key).replace("~", "~0").replace("/", "~1")


def pointer_to(path: Iterable[object]) -> str:
    """Return the JSON Pointer for a sequence of keys and indices."""
    return "".join(map(pointer_step, path))

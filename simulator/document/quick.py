"""Reads a text as plain data, quickly and without lines. Raises `Unusual` for mistakes and rare cases."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

import yaml

from simulator.document.values import DEEPEST, LONGEST_KEY, collections, deeper_than, scalar
from simulator.progress import Progress, unseen

MAPPINGS_A_REPORT = 1_000
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Unusual(Exception):
    """The text has a mistake, or only the thorough reader can tell."""


def json_data(text: str) -> Any:
    """Return the data of a JSON text. Raises `Unusual`."""
    try:
        data = json.loads(
            text.removeprefix("\ufeff"), object_pairs_hook=_object, parse_int=scalar, parse_constant=_unusual
        )
        if _SURROGATE.search(text):
            # A surrogate pair has become one character. A lone surrogate cannot be encoded and raises here.
            json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Unusual from None
    if deeper_than(data, DEEPEST):
        raise Unusual
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs) or any(len(key) > LONGEST_KEY for key in result):
        raise Unusual
    return result


def _unusual(_: str) -> NoReturn:
    raise Unusual


def yaml_data(text: str, progress: Progress = unseen) -> Any:
    """Return the data of a YAML text. Raises `Unusual`."""
    if _SURROGATE.search(text):
        raise Unusual
    loader = _Loader(text)
    try:
        return _Construction(loader.get_event, len(text), progress).document()
    except yaml.YAMLError:
        raise Unusual from None
    finally:
        loader.dispose()


class _Construction:
    """Makes plain data from the parser's events. Aliases share their value, up to a number of nodes."""

    def __init__(self, next_event: Callable[[], Any], length: int, progress: Progress) -> None:
        self.next_event = next_event
        self.length = length
        self.progress = progress
        self.mappings = 0
        # Every node takes at least one character. Aliases may make no more nodes than a text of this length can hold.
        self.left = length
        self.keys: dict[str, str] = {}
        self.anchored: dict[str, Any] = {}

    def document(self) -> Any:
        """Return the data of the stream's only document."""
        self.expect(yaml.StreamStartEvent)
        self.expect(yaml.DocumentStartEvent)
        data = self.value(self.next_event())
        self.expect(yaml.DocumentEndEvent)
        self.expect(yaml.StreamEndEvent)
        if self.anchored and deeper_than(data, DEEPEST):
            raise Unusual
        return data

    def expect(self, kind: type[yaml.Event]) -> None:
        if type(self.next_event()) is not kind:
            raise Unusual

    def value(self, event: Any, depth: int = 1) -> Any:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            value = event.value if event.style else scalar(event.value)
        elif kind is yaml.AliasEvent:
            return self.repeated(event.anchor)
        elif depth > DEEPEST:
            raise Unusual
        elif kind is yaml.MappingStartEvent:
            value = self.mapping(depth)
        else:
            value = self.sequence(depth)
        if event.anchor:
            self.anchor(event.anchor, value)
        return value

    def mapping(self, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while type(event := self.next_event()) is not yaml.MappingEndEvent:
            if type(event) is not yaml.ScalarEvent or event.anchor:
                raise Unusual
            # The same keys come often. Sharing their texts saves memory.
            key = self.keys.setdefault(event.value, event.value)
            if key in result or len(key) > LONGEST_KEY:
                raise Unusual
            result[key] = self.value(self.next_event(), depth + 1)
        self.mappings += 1
        if self.mappings % MAPPINGS_A_REPORT == 0:
            self.progress("reading", event.start_mark.index / self.length if event.start_mark else None)
        return result

    def sequence(self, depth: int) -> list[Any]:
        result: list[Any] = []
        while type(event := self.next_event()) is not yaml.SequenceEndEvent:
            result.append(self.value(event, depth + 1))
        return result

    def anchor(self, anchor: str, value: Any) -> None:
        if anchor in self.anchored:
            raise Unusual
        self.anchored[anchor] = value

    def repeated(self, anchor: str) -> Any:
        if anchor not in self.anchored:
            raise Unusual
        value = self.anchored[anchor]
        self.left -= 1 + sum(len(each) for level in collections(value) for each in level)
        if self.left < 0:
            raise Unusual
        return value

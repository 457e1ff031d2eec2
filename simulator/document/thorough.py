"""Reads a text as plain data, with the place of every part and all mistakes.

JSON is read as YAML, because it is nearly a part of YAML.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml
from yaml.composer import Composer

from simulator.document.document import Document, Place, pointer_step
from simulator.document.values import DEEPEST, LONGEST_KEY, scalar
from simulator.errors import MOST_FAULTS, BrokenDocument, Problem

# JSON writes characters beyond U+FFFF as surrogate pairs. YAML does not have these.
_SURROGATE_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")

# JSON allows these characters. YAML refuses them or reads them as the end of a line.
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def read_thoroughly(name: str, text: str) -> Document:
    """Return the document of a text. Problems are reported under `name`. Raises `BrokenDocument`."""
    if name.endswith(".json"):
        text = _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text.removeprefix("\ufeff"))
    text = _SURROGATE_PAIR.sub(_whole_character, text)
    construction = _Construction(name)
    try:
        _check_size(name, text)
        with _garbage_left_alone():
            data = construction.value(_root(text), "", ())
    except yaml.MarkedYAMLError as error:
        raise BrokenDocument([_malformed(name, text, error)]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        reason = f"holds a character that YAML does not allow: {error.reason}"
        raise BrokenDocument([Problem(name, reason, line)]) from None
    document = Document(name, data, lambda: construction.places)
    document.problems = construction.problems
    return document


def _malformed(name: str, text: str, error: yaml.MarkedYAMLError) -> Problem:
    mark, reason = error.problem_mark, error.problem
    if mark is None:
        return Problem(name, f"is not well-formed YAML: {reason}", 1)
    if text[mark.index : mark.index + 1] == "\t":
        reason = "a tab stands here, and YAML allows only spaces for indentation"
    return Problem(name, f"is not well-formed YAML: {reason}", mark.line + 1, mark.column + 1)


def _whole_character(match: re.Match[str]) -> str:
    high, low = int(match[2], 16), int(match[3], 16)
    return match[1] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(Composer, _Parser):  # type: ignore[misc]  # the class is known only at run time
    """Does not resolve the types of scalars. That would take half the time, and our types are not YAML's.

    The composer is Python's: while the C library's composer works, no other thread can run.
    """

    def __init__(self, text: str) -> None:
        _Parser.__init__(self, text)
        Composer.__init__(self)

    def descend_resolver(self, *_: Any) -> None:
        pass

    def ascend_resolver(self) -> None:
        pass

    def resolve(self, *_: Any) -> str:
        return ""


@contextmanager
def _garbage_left_alone() -> Iterator[None]:
    """Switch off garbage collection. For the nodes of a large file, it takes twice as long as everything else."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _root(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _check_size(name: str, text: str) -> None:
    """Raise `BrokenDocument` if the text is nested too deeply, or if its aliases make too much of it.

    The parser itself would run out of stack. To make nodes of very many aliases would take ten times as long.
    """
    # A node takes a character at least. Aliases may make as many again as for the quick reader, which counts no keys.
    most = 1_000 + 3 * len(text)
    sizes: dict[str | None, int] = {}
    # How many nodes each open collection has so far, with what its aliases stand for, and its anchor.
    inside: list[tuple[int, str | None]] = []
    size = 0
    for event in yaml.parse(text, Loader=_Loader):
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.CollectionStartEvent):
            inside.append((size, anchor))
            size = 1
            if len(inside) > DEEPEST:
                raise _broken(name, event, f"is nested more deeply than {DEEPEST} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            before, anchor = inside.pop()
            if anchor:
                sizes[anchor] = size
            size += before
        elif isinstance(event, yaml.AliasEvent):
            size += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            size += 1
            if anchor:
                sizes[anchor] = 1
        if size > most:
            raise _broken(name, event, "its aliases make far too much of it")


def _broken(name: str, event: yaml.Event, message: str) -> BrokenDocument:
    line = event.start_mark.line + 1 if event.start_mark else None
    return BrokenDocument([Problem(name, message, line)])


class _Construction:
    """Makes plain data from YAML nodes and notes their places."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.places: dict[str, Place] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node | None, pointer: str, inside: tuple[yaml.Node, ...]) -> Any:
        if node is None:
            return None
        line, column = node.start_mark.line + 1, node.start_mark.column + 1
        if isinstance(node, yaml.ScalarNode):
            value = node.value if node.style else scalar(node.value)
            self.places[pointer] = Place(line, column, None if isinstance(value, str) else node.value)
            return value
        if node in inside:
            raise BrokenDocument([Problem(self.name, "an alias must not contain itself", line)])
        self.places[pointer] = Place(line, column)
        inside = (*inside, node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, f"{pointer}/{i}", inside) for i, item in enumerate(node.value)]
        return self.mapping(node, pointer, inside)

    def mapping(self, node: yaml.Node, pointer: str, inside: tuple[yaml.Node, ...]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line, column = key_node.start_mark.line + 1, key_node.start_mark.column + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problem(line, column, pointer, "a key must be a plain text")
                continue
            key = key_node.value
            if len(key) > LONGEST_KEY:
                reason = f"a key has at most {LONGEST_KEY} characters, not {len(key)}"
                raise BrokenDocument([Problem(self.name, reason, line)])
            place = pointer + pointer_step(key)
            if key in result:
                self.problem(line, column, place, "stands here twice")
                continue
            result[key] = self.value(value_node, place, inside)
            self.places[place] = Place(line, column, self.places[place].written)
        return result

    def problem(self, line: int, column: int, pointer: str, message: str) -> None:
        if len(self.problems) <= MOST_FAULTS:
            self.problems.append(Problem(self.name, message, line, column, pointer))

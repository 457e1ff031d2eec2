"""YAML and JSON files as plain data that remembers on which line each place stands.

Only JSON's types exist here: a date or a sexagesimal number stays the text it is written as, `yes` and `on` are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from simulator.errors import BrokenDocument, Problem

# YAML knows no surrogate pairs; JSON writes characters beyond the first plane with them.
_SURROGATE_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")

_SCALARS = {
    "int": re.compile(r"[-+]?(0|[1-9][0-9]*)"),
    "float": re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "null": re.compile(r"~|null|Null|NULL|"),
}


class Document:
    """A file's content as JSON types, and where its places are.

    `lines` holds, for every JSON Pointer of the content, the line (from 1) on which it starts.
    """

    def __init__(self, name: str, data: Any, lines: dict[str, int]) -> None:
        self.name = name
        self.data = data
        self.lines = lines

    def place(self, pointer: str) -> str:
        """`file:line` of the place itself or, where it does not exist, of the nearest place around it."""
        while pointer not in self.lines and pointer:
            pointer = pointer.rpartition("/")[0]
        return f"{self.name}:{self.lines.get(pointer, 1)}"

    def problem(self, pointer: str, message: str) -> Problem:
        """Something to mend at `pointer`."""
        return Problem(f"{self.place(pointer)}: {pointer or '/'}", message)


def token(key: object) -> str:
    """A key as one token of a JSON Pointer (RFC 6901), with its leading slash."""
    return "/" + str(key).replace("~", "~0").replace("/", "~1")


def pointer_to(path: Iterable[object]) -> str:
    """The JSON Pointer of a sequence of keys and indices."""
    return "".join(map(token, path))


def read_document(path: Path) -> Document:
    """Read a YAML or JSON file. Raises `BrokenDocument` if it cannot be read or is not well formed."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BrokenDocument([Problem(str(path), f"cannot be read: {error.strerror or error}")]) from None
    except UnicodeDecodeError:
        raise BrokenDocument([Problem(str(path), "is not UTF-8 text")]) from None
    return parse_document(str(path), text)


def parse_document(name: str, text: str) -> Document:
    """Parse the text of a YAML or JSON file; its problems are reported under `name`. Raises `BrokenDocument`."""
    loader_class = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        loader = loader_class(_SURROGATE_PAIR.sub(_whole_character, text))
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except RecursionError:
        raise BrokenDocument([Problem(name, "is nested too deeply")]) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BrokenDocument([Problem(f"{name}:{line}", f"is not well-formed YAML: {error.problem}")]) from None
    except yaml.YAMLError as error:
        raise BrokenDocument([Problem(name, f"is not well-formed YAML: {error}")]) from None
    document = Document(name, None, {})
    problems: list[Problem] = []
    document.data = _construct(root, "", document, problems, ())
    if problems:
        raise BrokenDocument(problems)
    return document


def _whole_character(match: re.Match[str]) -> str:
    high, low = int(match[2], 16), int(match[3], 16)
    return match[1] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def _construct(
    node: yaml.Node | None, pointer: str, document: Document, problems: list[Problem], inside: tuple[yaml.Node, ...]
) -> Any:
    if node is None:
        return None
    document.lines[pointer] = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if node in inside:
        problems.append(document.problem(pointer, "an alias must not contain itself"))
        return None
    inside = (*inside, node)
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, f"{pointer}/{i}", document, problems, inside) for i, item in enumerate(node.value)]
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            problems.append(document.problem(pointer, "a key must be a plain text"))
            continue
        key = key_node.value
        place = pointer + token(key)
        if key in result:
            problems.append(Problem(f"{document.name}:{key_node.start_mark.line + 1}: {place}", "stands here twice"))
            continue
        result[key] = _construct(value_node, place, document, problems, inside)
        document.lines[place] = key_node.start_mark.line + 1
    return result


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style:
        return text
    if _SCALARS["null"].fullmatch(text):
        return None
    if _SCALARS["bool"].fullmatch(text):
        return text[0] in "tT"
    if _SCALARS["int"].fullmatch(text):
        return int(text)
    if _SCALARS["float"].fullmatch(text):
        return float(text)
    return text

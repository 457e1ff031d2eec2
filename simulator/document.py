"""YAML and JSON files as plain data that remembers on which line each place stands.

Only JSON's types exist here: a date or a sexagesimal number stays the text it is written as, `yes` and `on` are text.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from simulator.errors import BrokenDocument, Problem

# YAML knows no surrogate pairs; JSON writes characters beyond the first plane with them.
_SURROGATE_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")

# What JSON may hold as it is, and YAML would refuse or take for the end of a line.
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")

Source = str | os.PathLike[str] | Mapping[str, Any]
"""Where a document comes from: the path of a YAML or JSON file, or what it holds."""

DEEPEST = 200
"""How deeply a file may be nested."""
LONGEST_KEY = 1_000
"""How many characters a key may have: every place below it repeats it."""

_SCALARS = {
    "int": re.compile(r"[-+]?(0|[1-9][0-9]*)"),
    "float": re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "null": re.compile(r"~|null|Null|NULL|"),
}


class Document:
    """A file's content as JSON types, and where its places are.

    `lines` holds, for every JSON Pointer of the content, the line (from 1) on which it starts; `problems` what is wrong
    with the file although it could be read.
    """

    def __init__(self, name: str, data: Any, lines: dict[str, int]) -> None:
        self.name = name
        self.data = data
        self.lines = lines
        self.problems: list[Problem] = []

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


def deeper_than(value: object, levels: int) -> bool:
    """Whether JSON types are nested more deeply; told without recursion, however deeply they are."""
    level = [value]
    for _ in range(levels):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return any(isinstance(each, dict | list) for each in level)


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


def document_of(source: Source, name: str) -> Document:
    """The document that a source is, `name` being what to call one that is no file.

    Raises `BrokenDocument` as `read_document` does, and if a mapping holds what JSON has no word for.
    """
    if not isinstance(source, Mapping):
        return read_document(Path(source))
    try:
        return Document(name, json.loads(json.dumps(source, allow_nan=False)), {})
    except (TypeError, ValueError, RecursionError) as error:
        raise BrokenDocument([Problem(name, f"holds what JSON cannot hold: {error}")]) from None


def parse_document(name: str, text: str) -> Document:
    """Parse the text of a YAML or JSON file; its problems are reported under `name`. Raises `BrokenDocument`.

    JSON is what has a name that ends in `.json`.
    """
    loader_class = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = Document(name, None, {})
    if name.endswith(".json"):
        text = _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text.removeprefix("\ufeff"))
    text = _SURROGATE_PAIR.sub(_whole_character, text)
    try:
        _check_depth(name, text, loader_class)
        loader = loader_class(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
        # A node takes a character at least; only aliases make more of them, and nobody needs ten times as many.
        document.data = _Construction(document, 1_000 + 10 * len(text)).value(root, "", ())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BrokenDocument([Problem(f"{name}:{line}", f"is not well-formed YAML: {error.problem}")]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        reason = f"holds a character that YAML does not allow: {error.reason}"
        raise BrokenDocument([Problem(f"{name}:{line}", reason)]) from None
    return document


def _check_depth(name: str, text: str, loader_class: type[yaml.SafeLoader]) -> None:
    """Raise `BrokenDocument` for what is nested too deeply: the parser itself would run out of stack."""
    depth = 0
    for event in yaml.parse(text, Loader=loader_class):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                place = f"{name}:{event.start_mark.line + 1}" if event.start_mark else name
                raise BrokenDocument([Problem(place, f"is nested more deeply than {DEEPEST} levels")])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def write_yaml(data: Any) -> str:
    """JSON types as YAML text that `parse_document` reads as the same."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # which class it is, is known at run time
    """Writes text in quotation marks wherever it would be read as something else."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def _write_text(dumper: yaml.Dumper, text: str) -> yaml.Node:
    plain = isinstance(_scalar(yaml.ScalarNode("", text)), str)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else "'")


_Dumper.add_representer(str, _write_text)


def _whole_character(match: re.Match[str]) -> str:
    high, low = int(match[2], 16), int(match[3], 16)
    return match[1] + chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


class _Construction:
    """Makes plain data of YAML's nodes and notes where each stands, up to a number of nodes."""

    def __init__(self, document: Document, limit: int) -> None:
        self.document = document
        self.left = limit

    def value(self, node: yaml.Node | None, pointer: str, inside: tuple[yaml.Node, ...]) -> Any:
        if node is None:
            return None
        line = node.start_mark.line + 1
        self.document.lines[pointer] = line
        self.left -= 1
        if self.left < 0 or node in inside:
            message = "an alias must not contain itself" if node in inside else "its aliases make far too much of it"
            raise BrokenDocument([Problem(f"{self.document.name}:{line}", message)])
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        inside = (*inside, node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, f"{pointer}/{i}", inside) for i, item in enumerate(node.value)]
        return self.mapping(node, pointer, inside)

    def mapping(self, node: yaml.Node, pointer: str, inside: tuple[yaml.Node, ...]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problem(line, pointer, "a key must be a plain text")
                continue
            key = key_node.value
            if len(key) > LONGEST_KEY:
                reason = f"a key has at most {LONGEST_KEY} characters, not {len(key)}"
                raise BrokenDocument([Problem(f"{self.document.name}:{line}", reason)])
            place = pointer + token(key)
            if key in result:
                self.problem(line, place, "stands here twice")
                continue
            result[key] = self.value(value_node, place, inside)
            self.document.lines[place] = line
        return result

    def problem(self, line: int, pointer: str, message: str) -> None:
        self.document.problems.append(Problem(f"{self.document.name}:{line}: {pointer or '/'}", message))


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style:
        return text
    if _SCALARS["null"].fullmatch(text):
        return None
    if _SCALARS["bool"].fullmatch(text):
        return text[0] in "tT"
    # Python makes no integers of more digits than this; whoever asks for one gets to see the text.
    if len(text) < sys.get_int_max_str_digits() and _SCALARS["int"].fullmatch(text):
        return int(text)
    if _SCALARS["float"].fullmatch(text):
        return float(text)
    return text

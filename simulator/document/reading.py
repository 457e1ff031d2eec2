"""Reads documents from files, texts and mappings."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from simulator.document.document import Document, Place
from simulator.document.quick import Unusual, json_data, yaml_data
from simulator.document.thorough import read_thoroughly
from simulator.errors import BrokenDocument, Problem
from simulator.progress import Progress, unseen

Source = str | os.PathLike[str] | Mapping[str, Any]
"""The source of a document: the path of a YAML or JSON file, or a mapping with its content."""

_TOO_LARGE = (
    "is not well-formed YAML, or has something rare, such as a repeated key or a tag, or its aliases make far too much "
    "of it. The text is too large to search it for the mistake; `apio-simulator validate` says what it is"
)


MOST_THOROUGHLY = 512 * 1024
"""Up to how many bytes of a text a running server looks for mistakes and lines. This takes 200 bytes for each byte."""
LARGEST = 512 * 1024 * 1024
"""How many bytes of a file are read. Fixtures are smaller, but a file named by mistake may be endless."""


def read_document(path: Path, progress: Progress = unseen, most_thoroughly: int = LARGEST) -> Document:
    """Read a YAML or JSON file. Raises `BrokenDocument` if it cannot be read or is not well formed.

    If it is larger than `most_thoroughly` bytes, the places of its mistakes are not looked for (see `parse_document`).
    """
    try:
        with path.open("rb") as file:
            return read_stream(str(path), file, progress, most_thoroughly)
    except OSError as error:
        raise BrokenDocument([Problem(str(path), f"cannot be read: {error.strerror or error}")]) from None


def read_stream(name: str, stream: BinaryIO, progress: Progress = unseen, most_thoroughly: int = LARGEST) -> Document:
    """Read the bytes of a YAML or JSON file. Raises `BrokenDocument` as `read_document` does."""
    try:
        raw = stream.read(LARGEST + 1)
    except OSError as error:
        raise BrokenDocument([Problem(name, f"cannot be read: {error.strerror or error}")]) from None
    if len(raw) > LARGEST:
        raise BrokenDocument([Problem(name, f"is larger than {LARGEST} bytes")])
    try:
        text = raw.decode().replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise BrokenDocument([Problem(name, "is not UTF-8 text")]) from None
    return parse_document(name, text, progress, thoroughly=len(raw) <= most_thoroughly)


def document_of(source: Source, name: str) -> Document:
    """Return the document of a source. A document that comes from no file gets `name`.

    Raises `BrokenDocument` as `read_document` does, and if a mapping holds values that JSON does not have.
    """
    if not isinstance(source, Mapping):
        return read_document(Path(source))
    try:
        return Document(name, json.loads(json.dumps(source, allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:
        raise BrokenDocument([Problem(name, f"holds what JSON cannot hold: {error}")]) from None


def parse_document(name: str, text: str, progress: Progress = unseen, *, thoroughly: bool = True) -> Document:
    """Parse the text of a YAML or JSON file. Problems are reported under `name`. Raises `BrokenDocument`.

    The text is JSON if the name ends in `.json`. Unless `thoroughly` is set, a text that the quick reader cannot read
    is refused, and the document has no lines.
    """
    try:
        data = json_data(text) if name.endswith(".json") else yaml_data(text, progress)
    except Unusual:
        if not thoroughly:
            raise BrokenDocument([Problem(name, _TOO_LARGE)]) from None
        return read_thoroughly(name, text)
    return Document(name, data, lambda: _places(name, text)) if thoroughly else Document(name, data)


def _places(name: str, text: str) -> Mapping[str, Place]:
    try:
        return read_thoroughly(name, text).places
    except BrokenDocument:
        # JSON allows line breaks that YAML does not allow, for example between a key and its colon.
        return {}

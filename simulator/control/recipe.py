"""Entries of the error catalogue: a request that the simulator refuses, and the answer (G-8)."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

REFUSALS = Path(__file__).with_name("errors.json")
"""The error catalogue: each line is a recipe and its answer. `tools/contract_checks/catalogue.py` writes the file."""

LARGE = 1_000
"""A body of more bytes than this is all zeros, so the catalogue only gives their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A request that the simulator refuses. `path` is percent-encoded and includes the query.

    `settings` are the server's settings that differ from the defaults, by name. If the bytes sent are not an HTTP
    request, `method` is empty: then they are `raw`, or else a request with a header of `header_bytes` bytes.
    """

    operation_id: str | None = None
    method: str = ""
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    settings: Mapping[str, Any] = field(default_factory=dict)
    raw: str | None = None
    header_bytes: int = 0

    @property
    def text(self) -> str | None:
        """The body as text, or `None` if it is not UTF-8 or too large to show."""
        try:
            return self.body.decode() if len(self.body) <= LARGE else None
        except UnicodeDecodeError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedExample:
    """A recipe and its answer: the status, the headers that belong to the refusal, and the body.

    `assumed` tells whether the refusal rests on the assumed part of its rule (S-9).
    """

    recipe: Recipe
    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    assumed: bool

    @property
    def error(self) -> Mapping[str, Any]:
        """The first of the body's errors."""
        error: Mapping[str, Any] = self.body["errors"][0]
        return error


@cache
def load_refusals() -> tuple[RefusedExample, ...]:
    """Returns the refusals of the error catalogue, sorted by operation."""
    return tuple(_refused(**entry) for entry in orjson.loads(REFUSALS.read_bytes()))


def _refused(
    answer: Mapping[str, Any], body: str = "", body_hex: str = "", zero_bytes: int = 0, **recipe: Any
) -> RefusedExample:
    sent = body.encode() or bytes.fromhex(body_hex) or bytes(zero_bytes)
    return RefusedExample(recipe=Recipe(body=sent, **recipe), **answer)


def command(recipe: Recipe, address: str) -> str:
    """Returns a shell command that sends the recipe's request to the server at `address`.

    The body and the path arrive byte for byte. A header with an empty value is not sent, also if curl adds it itself.
    """
    if not recipe.method:
        split = urlsplit(address)
        host_and_port = f"{split.hostname} {split.port or 80}"
        if recipe.raw is None:
            header = f"head -c {recipe.header_bytes} /dev/zero | tr '\\0' x"
            return f"(printf 'GET / HTTP/1.1\\r\\nX: '; {header}) | nc {host_and_port}"
        raw = recipe.raw.replace("\r\n", "\\r\\n")
        return f"printf '{raw}' | nc {host_and_port}"
    words = ["curl", "--path-as-is"]
    if recipe.method == "HEAD":
        # With `-X HEAD`, curl waits for a body.
        words.append("--head")
    elif recipe.method != "GET" or recipe.body:
        words += ["-X", recipe.method]
    headers = dict(recipe.headers)
    if recipe.body:
        # By default, curl sends the content type of a form.
        headers.setdefault("Content-Type", "application/json")
    words += [word for name, value in headers.items() for word in ("-H", f"{name}: {value}".rstrip())]
    before = ""
    if len(recipe.body) > LARGE and not recipe.body.strip(b"\0"):
        before, words = f"head -c {len(recipe.body)} /dev/zero | ", [*words, "--data-binary", "@-"]
    elif recipe.body:
        text = _plain_text(recipe.body)
        if text is None:
            escaped = "".join(f"\\{byte:03o}" for byte in recipe.body)
            before, words = f"printf '{escaped}' | ", [*words, "--data-binary", "@-"]
        else:
            # Of a text that begins with `@`, `-d` takes the rest for the name of a file.
            words += ["--data-raw" if text.startswith("@") else "-d", text]
    return before + shlex.join([*words, address + recipe.path])


def _plain_text(body: bytes) -> str | None:
    """Returns a body as text that can be pasted into a terminal, or `None` if it has other bytes or invisible signs."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return text if text.replace("\n", "").isprintable() else None

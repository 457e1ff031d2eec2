"""A request that the simulator refuses, and what came of it: an entry of the error catalogue (G-8)."""

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
"""The refusals of the error catalogue: a recipe and its answer in each line. A tool of the checkout writes the file."""

LARGE = 1_000
"""A body of more bytes is all zeros, and told by their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A request to be refused; `path` is percent-encoded and holds the query.

    `settings` are those of the server that differ from its defaults, by their names. What is no HTTP request has no
    method: all that is sent is `raw`, or a request with a header of so many bytes.
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
        """The body as text, if it is one and not too large to be written down."""
        try:
            return self.body.decode() if len(self.body) <= LARGE else None
        except UnicodeDecodeError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A recipe and what came of it: status, headers that belong to the refusal, and the body.

    `assumed` says whether the refusal rests on the assumed part of its rule (S-9).
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
def load_refusals() -> tuple[Refused, ...]:
    """The refusals of the error catalogue, by operation."""
    return tuple(_refused(**entry) for entry in orjson.loads(REFUSALS.read_bytes()))


def _refused(
    answer: Mapping[str, Any], body: str = "", body_hex: str = "", zero_bytes: int = 0, **recipe: Any
) -> Refused:
    sent = body.encode() or bytes.fromhex(body_hex) or bytes(zero_bytes)
    return Refused(recipe=Recipe(body=sent, **recipe), **answer)


def command(recipe: Recipe, address: str) -> str:
    """The recipe for a shell, against a server at an address."""
    if not recipe.method:
        split = urlsplit(address)
        host_and_port = f"{split.hostname} {split.port or 80}"
        if recipe.raw is None:
            header = f"head -c {recipe.header_bytes} /dev/zero | tr '\\0' x"
            return f"(printf 'GET / HTTP/1.1\\r\\nX: '; {header}) | nc {host_and_port}"
        raw = recipe.raw.replace("\r\n", "\\r\\n")
        return f"printf '{raw}' | nc {host_and_port}"
    words = ["curl", "--path-as-is", *(["-X", recipe.method] if recipe.method != "GET" or recipe.body else [])]
    headers = dict(recipe.headers)
    if recipe.body:
        # Left to itself, curl would say that the body is a form.
        headers.setdefault("Content-Type", "application/json")
    words += [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    before = ""
    if len(recipe.body) > LARGE:
        before, words = f"head -c {len(recipe.body)} /dev/zero | ", [*words, "--data-binary", "@-"]
    elif recipe.body and recipe.text is not None:
        words += ["-d", recipe.text]
    elif recipe.body:
        escaped = "".join(f"\\{byte:03o}" for byte in recipe.body)
        before, words = f"printf '{escaped}' | ", [*words, "--data-binary", "@-"]
    return before + shlex.join([*words, address + recipe.path])

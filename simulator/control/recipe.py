"""Requests as commands and programs that send them, and the entries of the error catalogue (G-8)."""

from __future__ import annotations

import json
import re
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

_DOTS = re.compile(r"/(\.|%2e){1,2}(?=[/?]|$)", re.IGNORECASE)
"""A step of a path that most clients resolve before they send it."""
_STRAY_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A request to send. `path` is percent-encoded and includes the query.

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


def fetch_call(recipe: Recipe, address: str) -> str | None:
    """Returns JavaScript that sends the recipe's request, or `None` if `fetch` cannot send it as it is."""
    if recipe.method in ("CONNECT", "TRACE") or (recipe.body and recipe.method in ("GET", "HEAD")):
        return None
    if _DOTS.search(recipe.path):
        return None
    headers = {name: value for name, value in recipe.headers.items() if value}
    options = [] if recipe.method == "GET" else [f"method: {_javascript(recipe.method)}"]
    if headers:
        options.append(f"headers: {json.dumps(headers)}")
    if recipe.body:
        try:
            text = _javascript(recipe.body.decode())
        except UnicodeDecodeError:
            options.append(f"body: new Uint8Array({list(recipe.body)})")
        else:
            # With a text as its body, `fetch` sends a content type even if none is given.
            options.append(f"body: {text if 'Content-Type' in headers else f'new TextEncoder().encode({text})'}")
    lines = "".join(f"  {option},\n" for option in options)
    address = _javascript(address + recipe.path)
    sent = f"await fetch({address}, {{\n{lines}}})" if options else f"await fetch({address})"
    # No names are declared, so several of these programs can follow each other in one console.
    return f"{sent}.then(async answer => console.log(answer.status, await answer.text()));"


def httpx_call(recipe: Recipe, address: str) -> str | None:
    """Returns Python that sends the recipe's request with httpx, or `None` if httpx cannot send it as it is."""
    if _DOTS.search(recipe.path) or _STRAY_PERCENT.search(recipe.path):
        return None
    arguments = [repr(recipe.method), repr(address + recipe.path)]
    headers = {name: value for name, value in recipe.headers.items() if value}
    if headers:
        arguments.append(f"headers={headers!r}")
    if recipe.body:
        try:
            arguments.append(f"content={recipe.body.decode()!r}")
        except UnicodeDecodeError:
            arguments.append(f"content={recipe.body!r}")
    call = f"httpx.request({', '.join(arguments)})"
    return f"import httpx\n\nresponse = {call}\nprint(response.status_code, response.text)"


def _javascript(text: str) -> str:
    return json.dumps(text, ensure_ascii=not text.replace("\n", "").isprintable())


def _plain_text(body: bytes) -> str | None:
    """Returns a body as text that can be pasted into a terminal, or `None` if it has other bytes or invisible signs."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    return text if text.replace("\n", "").isprintable() else None

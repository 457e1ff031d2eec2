"""Secrets taken out of what is kept of a request: passwords, tokens, session ids (S-7)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

import orjson

REDACTED = "[redacted]"
DEEPEST = 100

_SECRET = re.compile(r"passw|token|secret|session|credential|api.?key|authorization|cookie", re.IGNORECASE)
_SUSPICIOUS = re.compile(rb"passw|token|secret|session|credential|api.?key|authorization|cookie|\\u", re.IGNORECASE)


def without_secret_headers(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The headers, with the values of those that authenticate redacted."""
    return tuple((name, REDACTED if _is_secret(name) else value) for name, value in headers)


@lru_cache(maxsize=1_000)
def _is_secret(name: str) -> bool:
    return _SECRET.search(name) is not None


def without_secret_parameters(query: str) -> str:
    """A query string, with the values of parameters that are named like secrets redacted."""
    if not query or not _SECRET.search(unquote_plus(query)):
        return query
    pairs = (pair.partition("=") for pair in query.split("&"))
    return "&".join(
        f"{name}{equals}{REDACTED if _SECRET.search(unquote_plus(name)) else value}" for name, equals, value in pairs
    )


def without_secret_attributes(body: bytes) -> bytes:
    """A body, with the attributes that are named like secrets redacted.

    A body that speaks of secrets and is no JSON, so that nobody can tell where they are, is redacted as a whole.
    """
    if not _SUSPICIOUS.search(body):
        return body
    try:
        return orjson.dumps(_redacted(orjson.loads(body), DEEPEST))
    except (ValueError, TypeError):
        return REDACTED.encode()


def _redacted(value: Any, depth: int) -> Any:
    if depth == 0:
        return REDACTED
    if isinstance(value, dict):
        return {key: REDACTED if _SECRET.search(key) else _redacted(each, depth - 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_redacted(each, depth - 1) for each in value]
    return value

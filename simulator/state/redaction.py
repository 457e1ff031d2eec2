"""Secrets taken out of what is kept of a request: passwords, tokens, session ids (S-7).

Secrets are known by their names. Where it cannot be told what belongs to such a name, more is taken out, not less.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

import orjson

from simulator.document import deeper_than

REDACTED = "[redacted]"
DEEPEST = 100

_WORDS = (
    r"pass(?!ed|es|ing)|pwd|token|secret|session|credential|api.?key|access.?key|auth(?!or(?!i[sz]))|cookie|jwt|csrf"
)
_SECRET = re.compile(rf"{_WORDS}|\bsid\b|\bpin\b", re.IGNORECASE)
_SUSPICIOUS = re.compile(rf"{_WORDS}|\bsid\b|\bpin\b|\\u|bearer|basic|%".encode(), re.IGNORECASE)
# One of these is in everything in which the expression finds something; of letters, only those of ASCII count in bytes.
_PARTS = (
    "pass", "pwd", "token", "secret", "session", "credential", "key", "auth", "cookie", "jwt", "csrf",
    "sid", "pin", "\\u", "bearer", "basic", "%", "\0",
)  # fmt: skip
# A secret within a text: after its name and a sign between the two, or after the name of an authentication scheme.
_IN_TEXT = re.compile(
    rf"""((?:{_WORDS})[\w-]*["'\\\s]*[=:]["'\\\s]*|\b(?:bearer|basic)[\s.]+(?!token\b))[^\s&;,"'\\}}/]+""",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"//[^/@\s]*@")


def without_secrets(text: str) -> str:
    """A text, with whatever follows the name of a secret redacted."""
    # Most texts hold no sign that could follow such a name; the search proper takes ten times as long.
    if "=" not in text and ":" not in text:
        folded = text.casefold()
        if "bearer" not in folded and "basic" not in folded:
            return text
    return _USER_INFO.sub(f"//{REDACTED}@", _IN_TEXT.sub(rf"\1{REDACTED}", text))


def without_secret_name(name: str) -> str:
    """The name of a query parameter, after a question mark, or of an attribute; a parameter may hold its own value."""
    return f"?{REDACTED}" if name.startswith("?") and _SECRET.search(name) else without_secrets(name)


@lru_cache(maxsize=1_000)
def without_secret_header(name: str, value: str) -> str:
    """The value of a header, redacted if it authenticates, and without secrets within it otherwise."""
    if _SECRET.search(name) or (name == "Host" and "@" in value):
        return REDACTED
    return without_secrets(value)


def without_secret_parameters(query: str) -> str:
    """A query string, with the values of parameters redacted that are named like secrets or speak of them."""
    if not query or not _SECRET.search(_unquoted(query)):
        return query
    return "".join(_parameter_without_secrets(part) for part in re.split("([&;])", query))


def without_secret_attributes(body: bytes, public: Collection[str] | None = None) -> bytes:
    """A body, with the attributes that are named like secrets redacted, and secrets within the texts of others.

    Where `public` names the only attributes that are none, all others are. A body that speaks of secrets and is no JSON
    object, so that nobody can tell where they are, is redacted as a whole.
    """
    if public is None and not _may_hold_secrets(body):
        return body
    try:
        value = orjson.loads(body)
    except ValueError:
        return body if public is None and not _speaks_of_secrets(body) else REDACTED.encode()
    if public is not None:
        if not isinstance(value, dict):
            return REDACTED.encode()
        value = {key: each if key in public and isinstance(each, str) else REDACTED for key, each in value.items()}
    if deeper_than(value, DEEPEST):
        return REDACTED.encode()
    return orjson.dumps(_redacted(value))


def _may_hold_secrets(body: bytes) -> bool:
    # As text, since to look for a part in bytes takes five times as long.
    lowered = body.decode("latin-1").lower()
    # Most bodies hold not even a part of any such word, which is found out much faster than by the expression.
    for part in _PARTS:
        if part in lowered:
            return _SUSPICIOUS.search(body.replace(b"\0", b"")) is not None
    return False


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            without_secrets(key): REDACTED if _SECRET.search(key) else _redacted(each) for key, each in value.items()
        }
    if isinstance(value, list):
        # In a list of words, the one after the name of a secret may be the secret.
        return [
            REDACTED if i and isinstance(value[i - 1], str) and _SECRET.search(value[i - 1]) else _redacted(each)
            for i, each in enumerate(value)
        ]
    return without_secrets(value) if isinstance(value, str) else value


def _parameter_without_secrets(part: str) -> str:
    name, equals, _ = part.partition("=")
    if not _SECRET.search(_unquoted(part)):
        return part
    if not equals or (_SECRET.search(_unquoted(name)) and not re.fullmatch(r"[\w%.+-]+(\[\w*\])?", name)):
        return REDACTED
    return f"{name}{equals}{REDACTED}"


def _speaks_of_secrets(body: bytes) -> bool:
    return _SECRET.search(_unquoted(body.replace(b"\0", b"").decode(errors="replace"))) is not None


def _unquoted(text: str) -> str:
    """The text without its percent-encoding, also where that was done twice."""
    return unquote_plus(unquote_plus(text))

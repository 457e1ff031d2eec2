"""Secrets taken out of what is kept of a request: passwords, tokens, session ids (S-7).

Secrets are known by their names. Where it cannot be told what belongs to such a name, more is taken out, not less.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any

import orjson

from simulator.state.journal import BODY_KEPT

REDACTED = "[redacted]"
DEEPEST = 100
"""How deeply a body may be nested so that what it holds is shown."""

_WORDS = (
    r"pass(?!ed|es|ing)|pwd|token|secret|session|credential|api.?key|access.?key|auth(?!or(?!i[sz]))|cookie|jwt|csrf"
    r"|(?<![^\W\d_])(?:pw|pin|sid)(?![^\W\d_])"
)
_SECRET = re.compile(_WORDS, re.IGNORECASE)
_SUSPICIOUS = re.compile(rf"{_WORDS}|\\u|bearer|basic|%".encode(), re.IGNORECASE)
# One of these is in everything in which the expression finds something; of letters, only those of ASCII count in bytes.
_PARTS = (
    "pass", "pw", "token", "secret", "session", "credential", "key", "auth", "cookie", "jwt", "csrf",
    "sid", "pin", "\\u", "bearer", "basic", "%", "\0",
)  # fmt: skip
_BETWEEN = r"""["'\\\s]*+[=:]["'\\\s]*+"""
# A secret within a text: after its name and a sign between the two, or after the name of an authentication scheme.
# Every run of letters is looked at once, at its beginning, and nothing in it is given back: whatever the text, each
# character is met a fixed number of times.
_IN_TEXT = re.compile(
    rf"""(
        (?: (?<![\w-])(?=[\w-]++{_BETWEEN}) (?>[\w-]*?(?:{_WORDS})) | (?:api|access)[^\w\n-]key ) [\w-]*+{_BETWEEN}
        | \b(?:bearer|basic)[\s.]+(?!token\b)
    )(?:(?:bearer|basic)\s++)?[^\s&;,"'\\}}/]++""",
    re.IGNORECASE | re.VERBOSE,
)
_USER_INFO = re.compile(r"//[^/@\s]*@")
_UNFINISHED_USER_INFO = re.compile(r"//[^/@\s]*\Z")
_QUOTED = re.compile(r"%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*")


def without_secrets(text: str) -> str:
    """A text, with whatever follows the name of a secret redacted; what is percent-encoded is looked at decoded.

    Takes time in proportion to the length of the text, whatever the text.
    """
    # Most texts hold no sign that could follow such a name; the search proper takes ten times as long.
    if "=" not in text and ":" not in text and "%" not in text:
        folded = text.casefold()
        if "bearer" not in folded and "basic" not in folded:
            return text
    clean = _plainly_without_secrets(text)
    if "%" in clean:
        unquoted = _unquoted(clean)
        plain = _plainly_without_secrets(unquoted)
        if plain != unquoted:
            return plain
    return clean


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
    if not query or not _holds_secrets(_unquoted(query)):
        return query
    return "".join(_parameter_without_secrets(part) for part in re.split("([&;])", query))


def without_secret_attributes(body: bytes, public: Collection[str] | None = None) -> bytes:
    """A body, with the attributes that are named like secrets redacted, and secrets within the texts of others.

    Where `public` names the only attributes that are none, all others are. A body that speaks of secrets and is no JSON
    object, so that nobody can tell where they are, is redacted as a whole. Only what can be among the first `BODY_KEPT`
    bytes is looked at: nobody may keep more than these of the result.
    """
    beginning = body[:BODY_KEPT]
    if public is None and not _may_hold_secrets(beginning):
        return body
    try:
        value = orjson.loads(body)
    except ValueError:
        return body if public is None and not _speaks_of_secrets(beginning) else REDACTED.encode()
    if public is not None:
        if not isinstance(value, dict):
            return REDACTED.encode()
        value = {key: each if key in public and isinstance(each, str) else REDACTED for key, each in value.items()}
    return orjson.dumps(_Beginning().of(value))


class _Beginning:
    """The beginning of a JSON value without its secrets: at least as much of it as is kept.

    `room` is how many bytes may still be missing, so that of a large body no more is copied than that.
    """

    def __init__(self) -> None:
        self.room = BODY_KEPT

    def of(self, value: Any, level: int = 0) -> Any:
        self.room -= 1
        if isinstance(value, str):
            return self._text(value)
        if not isinstance(value, (dict, list)):
            return value
        if level == DEEPEST:
            return REDACTED
        return self._object(value, level + 1) if isinstance(value, dict) else self._array(value, level + 1)

    def _object(self, value: dict[str, Any], level: int) -> dict[str, Any]:
        result = {}
        for key, each in value.items():
            if self.room < 0:
                break
            shown = self._text(key)
            if shown not in result:
                result[shown] = REDACTED if _names_secret(key) else self.of(each, level)
            else:
                self.room += len(shown)
        return result

    def _array(self, value: list[Any], level: int) -> list[Any]:
        result: list[Any] = []
        for i, each in enumerate(value):
            if self.room < 0:
                break
            # In a list of words, the one after the name of a secret may be the secret.
            is_named = i and isinstance(value[i - 1], str) and _names_secret(value[i - 1])
            result.append(REDACTED if is_named else self.of(each, level))
        return result

    def _text(self, text: str) -> str:
        if len(text) <= BODY_KEPT:
            clean = without_secrets(text)
        else:
            # What is cut off may hold the sign by which something before it is known to be a secret.
            cut = _UNFINISHED_USER_INFO.sub(f"//{REDACTED}", text[:BODY_KEPT])
            clean = f"{without_secrets(cut)}…"
        self.room -= len(clean)
        return clean


def _may_hold_secrets(body: bytes) -> bool:
    # As text, since to look for a part in bytes takes five times as long.
    lowered = body.decode("latin-1").lower()
    # Most bodies hold not even a part of any such word, which is found out much faster than by the expression.
    for part in _PARTS:
        if part in lowered:
            return _SUSPICIOUS.search(body.replace(b"\0", b"")) is not None
    return False


def _plainly_without_secrets(text: str) -> str:
    return _USER_INFO.sub(f"//{REDACTED}@", _IN_TEXT.sub(rf"\1{REDACTED}", text))


def _names_secret(name: str) -> bool:
    return _SECRET.search(name[:BODY_KEPT]) is not None


def _holds_secrets(text: str) -> bool:
    return _SECRET.search(text) is not None or _IN_TEXT.search(text) is not None


def _parameter_without_secrets(part: str) -> str:
    name, equals, _ = part.partition("=")
    if not _holds_secrets(_unquoted(part)):
        return part
    if not equals or (_SECRET.search(_unquoted(name)) and not re.fullmatch(r"[\w%.+-]+(\[\w*\])?", name)):
        return REDACTED
    return f"{name}{equals}{REDACTED}"


def _speaks_of_secrets(body: bytes) -> bool:
    return _SECRET.search(_unquoted(body.replace(b"\0", b"").decode(errors="replace"))) is not None


def _unquoted(text: str) -> str:
    """The text without its percent-encoding, also where that was done twice."""
    return _unquoted_once(_unquoted_once(text))


def _unquoted_once(text: str) -> str:
    # Not by the standard library's function, which takes a microsecond for every percent sign that means nothing.
    text = text.replace("+", " ")
    if "%" not in text:
        return text
    return _QUOTED.sub(lambda run: bytes.fromhex(run[0].replace("%", "")).decode(errors="replace"), text)

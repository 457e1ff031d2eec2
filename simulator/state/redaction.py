"""Removes secrets from what is kept of a request: passwords, tokens, session ids (S-7).

Secrets are recognized by their names. If it is unclear where a secret ends, more is removed, not less.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any

import orjson

from simulator.state.journal import BODY_KEPT

REDACTED = "[redacted]"
DEEPEST = 100
"""Values nested more deeply than this are redacted."""

_WORDS = (
    r"pass(?!ed|es|ing)|pwd|token|secret|session|credential|api.?key|access.?key|auth(?!or(?!i[sz]))|cookie|jwt|csrf"
    r"|(?<![^\W\d_])(?:pw|pin|sid)(?![^\W\d_])"
)
_SECRET = re.compile(_WORDS, re.IGNORECASE)
_SUSPICIOUS = re.compile(rf"{_WORDS}|\\u|bearer|basic|%".encode(), re.IGNORECASE)
# A body without any of these parts cannot match `_SUSPICIOUS`. In bytes, only ASCII letters match without their case.
_PARTS = (
    "pass", "pw", "token", "secret", "session", "credential", "key", "auth", "cookie", "jwt", "csrf",
    "sid", "pin", "\\u", "bearer", "basic", "%", "\0",
)  # fmt: skip
_BETWEEN = r"""["'\\\s]*+[=:]["'\\\s]*+"""
# A secret within a text follows its name and a sign like `=`, or the name of an authentication scheme. The expression
# looks at each run of letters once and never backtracks into it. So the time grows only with the length of the text.
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
    """Return the text with the values after names of secrets redacted. Percent-encoded text is also searched decoded.

    The time is proportional to the length of the text.
    """
    # Most texts have no sign that could follow such a name. The full search takes ten times as long.
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
    """Return the name of an attribute, or of a query parameter (`?name`), redacted if it may contain a secret value."""
    return f"?{REDACTED}" if name.startswith("?") and _SECRET.search(name) else without_secrets(name)


@lru_cache(maxsize=1_000)
def without_secret_header(name: str, value: str) -> str:
    """Return the value of a header: redacted if the header authenticates, else without the secrets within it."""
    if _SECRET.search(name) or (name == "Host" and "@" in value):
        return REDACTED
    return without_secrets(value)


def without_secret_parameters(query: str) -> str:
    """Return the query string. A parameter's value is redacted if its name or the value suggests a secret."""
    if not query or not _holds_secrets(_unquoted(query)):
        return query
    return "".join(_parameter_without_secrets(part) for part in re.split("([&;])", query))


def without_secret_attributes(body: bytes, public: Collection[str] | None = None) -> bytes:
    """Return the body with secret attributes redacted, and secrets within the texts of the other attributes.

    If `public` is given, all attributes but these are secret; otherwise their names decide. A body that is not JSON
    and mentions secrets is redacted as a whole, because it is unclear where they are. Only the first `BODY_KEPT` bytes
    of the result are free of secrets, so keep no more than these.
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
    clean = _Beginning().of(value)
    if public is None and len(body) <= BODY_KEPT and clean == value and not _repeats_a_name(body):
        return body
    return orjson.dumps(clean)


class _Beginning:
    """Copies the beginning of a JSON value without its secrets: at least as much as is kept.

    `room` is about how many bytes are still missing. At zero the copying ends, so that a large body costs no more.
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
            # In a list of words, the word after the name of a secret may be the secret.
            is_named = i and isinstance(value[i - 1], str) and _names_secret(value[i - 1])
            result.append(REDACTED if is_named else self.of(each, level))
        return result

    def _text(self, text: str) -> str:
        if len(text) <= BODY_KEPT:
            clean = without_secrets(text)
        else:
            # The `@` that marks the text before it as a secret may be in the part that is cut off.
            cut = _UNFINISHED_USER_INFO.sub(f"//{REDACTED}", text[:BODY_KEPT])
            clean = f"{without_secrets(cut)}…"
        self.room -= len(clean)
        return clean


def _may_hold_secrets(body: bytes) -> bool:
    # As text, because a search in bytes takes five times as long.
    lowered = body.decode("latin-1").lower()
    # Most bodies have none of these parts, and this search is much faster than the expression.
    for part in _PARTS:
        if part in lowered:
            return _SUSPICIOUS.search(body.replace(b"\0", b"")) is not None
    return False


def _plainly_without_secrets(text: str) -> str:
    return _USER_INFO.sub(f"//{REDACTED}@", _IN_TEXT.sub(rf"\1{REDACTED}", text))


def _repeats_a_name(body: bytes) -> bool:
    """Return whether some object of a JSON body has two members of one name: a reader sees only one of them."""

    def check(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) < len(pairs):
            raise ValueError

    try:
        json.loads(body, object_pairs_hook=check)
    except (ValueError, RecursionError):
        return True
    return False


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
    """Return the text decoded. Decoding twice also handles text that was percent-encoded twice."""
    return _unquoted_once(_unquoted_once(text))


def _unquoted_once(text: str) -> str:
    # The standard library's function takes a microsecond for every percent sign that encodes nothing.
    text = text.replace("+", " ")
    if "%" not in text:
        return text
    return _QUOTED.sub(lambda run: bytes.fromhex(run[0].replace("%", "")).decode(errors="replace"), text)

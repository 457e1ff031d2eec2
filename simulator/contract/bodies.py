"""Parses bodies: JSON, and YAML if the operation takes it (G-2)."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import orjson

from simulator.document import DEEPEST, MOST_THOROUGHLY, deeper_than, parse_document, pointer_step
from simulator.document.values import collections
from simulator.errors import MOST_FAULTS, BrokenDocument, Fault, MalformedBody

MOST_DIGITS = 1_000
"""If an integer has more digits, its value no longer matters: it is too large."""

_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_LONG_INTEGER = re.compile(rb"[0-9]{19}")
# Also matches whole texts, so that it does not match numbers within them.
_TEXT_OR_NUMBER = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[0-9][0-9.eE+-]*+', re.DOTALL)
_LONGEST_SAFE = 18


def parse_json(raw: bytes) -> Any:
    """Return the data of a JSON text.

    Raises `MalformedBody` if the text is not JSON, if an object has a name twice, or if it is nested more deeply than
    `DEEPEST` levels (G-2), and for a lone surrogate (G-12). Integers beyond 64 bits may be rounded (see `exactly`).
    """
    try:
        data = orjson.loads(raw)
        is_rounded = True
    except orjson.JSONDecodeError as error:
        if "infinity" not in error.msg:
            raise MalformedBody(_json_fault(raw, error)) from None
        data = _with_small_numbers(raw)
        is_rounded = False
    # Each level has two brackets, so a shorter text cannot be nested too deeply.
    if len(raw) > 2 * DEEPEST and deeper_than(data, DEEPEST):
        raise MalformedBody(_too_deep())
    # Each member has a colon. With as many colons as members in the data, no name was repeated.
    if isinstance(data, dict) and raw.count(b":") != len(data):
        _refuse_repeated(raw, data)
    return data if is_rounded else exactly(raw)


def may_be_rounded(raw: bytes) -> bool:
    """Return whether `parse_json` may have rounded an integer of a JSON text."""
    return _LONG_INTEGER.search(raw) is not None


def exactly(raw: bytes) -> Any:
    """Return the data of a JSON text without rounding integers. Raises `MalformedBody`."""
    try:
        return json.loads(raw, parse_int=integer, parse_float=_finite)
    except ValueError as error:
        raise MalformedBody(Fault("G-2", f"the body is not valid JSON: {error}")) from None


def parse_yaml(raw: bytes) -> Any:
    """Return the data of a YAML text. Raises `MalformedBody` with all its mistakes (G-2)."""
    try:
        document = parse_document("body", raw.decode(), thoroughly=len(raw) <= MOST_THOROUGHLY)
    except UnicodeDecodeError as undecodable:
        raise MalformedBody(Fault("G-2", f"the body is not UTF-8: {undecodable.reason}")) from None
    except BrokenDocument as broken:
        raise MalformedBody(*(Fault("G-2", str(problem)) for problem in broken.problems)) from None
    if document.problems:
        raise MalformedBody(*(Fault("G-2", str(problem)) for problem in document.problems))
    return document.data


def _json_fault(raw: bytes, error: orjson.JSONDecodeError) -> Fault:
    try:
        raw.decode()
    except UnicodeDecodeError as undecodable:
        reason = f"the body is not UTF-8: {undecodable.reason} at byte {undecodable.start}"
        return Fault("G-2", reason)
    if "depth" in error.msg:
        return _too_deep()
    if "surrogate" in error.msg and _LONE_SURROGATE.search(raw):
        return Fault("G-12", f"the body holds a lone surrogate, which is no character: {error}")
    return Fault("G-2", f"the body is not valid JSON: {error}")


def _too_deep() -> Fault:
    return Fault("G-2", f"the body is nested more deeply than {DEEPEST} levels")


def _with_small_numbers(raw: bytes) -> Any:
    """Return the data with 0 in place of numbers that the parser finds too large."""

    def small(match: re.Match[bytes]) -> bytes:
        text = match[0]
        return text if text.startswith(b'"') or (len(text) <= _LONGEST_SAFE and b"e" not in text.lower()) else b"0"

    try:
        return orjson.loads(_TEXT_OR_NUMBER.sub(small, raw))
    except orjson.JSONDecodeError as error:
        raise MalformedBody(_json_fault(raw, error)) from None


def integer(text: str) -> int:
    """Return the integer of a JSON text. Beyond `MOST_DIGITS` digits, it only looks the same in messages."""
    # Python does not convert very many digits. Messages show only the first ones and the last one.
    return int(text if len(text) <= MOST_DIGITS else text[: MOST_DIGITS - 1] + text[-1])


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise MalformedBody(Fault("G-2", f"the body holds a number that is too large: {text[:60]}"))
    return number


class _Object(dict[str, Any]):
    """A JSON object that also knows its repeated names."""

    repeated: tuple[str, ...] = ()


def _refuse_repeated(raw: bytes, data: dict[str, Any]) -> None:
    """Raise `MalformedBody` if an object has a name twice (G-2). This takes linear time."""
    members = sum(len(each) for level in collections(data) for each in level if isinstance(each, dict))
    if raw.count(b":") == members:
        return
    # Either texts contain colons, or the parser dropped members with repeated names.
    found: list[_Object] = []

    def note(pairs: list[tuple[str, Any]]) -> _Object:
        result = _Object(pairs)
        if len(result) < len(pairs):
            times = Counter(name for name, _ in pairs)
            result.repeated = tuple(name for name in result if times[name] > 1)
            found.append(result)
        return result

    whole = json.loads(raw, object_pairs_hook=note, parse_int=str, parse_float=str)
    if found:
        raise MalformedBody(*islice(_repeated(whole, ""), MOST_FAULTS + 1))


def _repeated(value: Any, pointer: str) -> Iterator[Fault]:
    if isinstance(value, _Object):
        for name in value.repeated:
            yield Fault(
                "G-2",
                "stands twice in its object, and no reader can tell which one counts",
                pointer + pointer_step(name),
            )
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        if isinstance(inner, (dict, list)):
            yield from _repeated(inner, pointer + pointer_step(key))

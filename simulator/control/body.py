"""Reads the JSON body of a control call without making other clients wait."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from json.decoder import JSONArray, JSONObject  # type: ignore[attr-defined]  # their types lack them
from json.scanner import py_make_scanner  # type: ignore[attr-defined]  # their types lack it
from typing import Any, NoReturn

from simulator.contract.bodies import exactly, integer, may_be_rounded, parse_json
from simulator.errors import MOST_FAULTS, Fault, MalformedBody

LARGE = 1024 * 1024
"""A body of more bytes is read in Python: the fast reader stops all other threads until it is done."""

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def read_json(raw: bytes) -> Any:
    """Returns what a JSON body holds, with exact integers. Raises `MalformedBody` as `parse_json` does (G-2, G-12)."""
    if len(raw) <= LARGE:
        data = parse_json(raw)
        return exactly(raw) if may_be_rounded(raw) else data
    repeated: list[str] = []

    def checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in pairs:
            if key in result and len(repeated) <= MOST_FAULTS:
                repeated.append(key)
            result[key] = value
        return result

    data = _read_slowly(raw, checked)
    if repeated:
        reason = "stands twice in its object, and no reader can tell which one counts"
        raise MalformedBody(*(Fault("G-2", f"the name {key[:100]!r} {reason}") for key in repeated))
    return data


def _read_slowly(raw: bytes, checked: Any) -> Any:
    decoder = json.JSONDecoder(
        object_pairs_hook=checked, parse_int=integer, parse_float=_number, parse_constant=_refuse_constant
    )
    # These are written in Python, so other threads can run in between. The decoder's own ones are written in C.
    vars(decoder).update(parse_object=JSONObject, parse_array=JSONArray)
    vars(decoder).update(scan_once=py_make_scanner(decoder))
    try:
        data = decoder.decode(raw.decode())
        if _SURROGATE.search(raw):
            for text in _texts(data):
                text.encode()
    except UnicodeEncodeError:
        raise MalformedBody(Fault("G-12", "the body holds a lone surrogate, which is no character")) from None
    except UnicodeDecodeError as undecodable:
        reason = f"the body is not UTF-8: {undecodable.reason} at byte {undecodable.start}"
        raise MalformedBody(Fault("G-2", reason)) from None
    except RecursionError:
        raise MalformedBody(Fault("S-3", "the body is nested too deeply")) from None
    except ValueError as error:
        raise MalformedBody(Fault("G-2", f"the body is not valid JSON: {error}")) from None
    return data


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:20]} is too large")
    return value


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _texts(data: Any) -> Iterator[str]:
    waiting = [data]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting.extend(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)

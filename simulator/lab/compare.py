"""Compares the answers of a laboratory and of its twin to one request.

A difference is named by its place: `status`, a JSON Pointer, or `order:` and the pointer of a list.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any

from simulator.document import pointer_step
from simulator.lab.exchange import LabAnswer

STATUS = "status"
ERRORS = "/errors"
ORDER = "order:"
KEYS = ("name", "userId")
"""Attributes that name the items of a list."""
DATA = "…"
"""Stands in a place for a name that is no attribute, such as a user id: places are in reports."""
_ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{,63}")
_MISSING = object()


def differences(one: LabAnswer, other: LabAnswer) -> list[str]:
    """Return the places at which two answers differ. Of errors, the wording and the codes do not count (G-8)."""
    if one.status != other.status:
        return [STATUS]
    if one.status >= HTTPStatus.BAD_REQUEST:
        return [] if has_error_shape(one) == has_error_shape(other) else [ERRORS]
    return content_differences(_content(one), _content(other))


def content_differences(one: object, other: object) -> list[str]:
    """Return the places at which two contents differ. What is nested too deeply differs as a whole."""
    try:
        return list(dict.fromkeys(_differing(one, other, "")))
    except RecursionError:
        return [""]


def matches(place: str, pattern: str) -> bool:
    """Return whether a pattern, in which `*` is any step, names a place."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", "[^/]+"), place) is not None


def hides(place: str, pattern: str) -> bool:
    """Return whether a place is above those that a pattern names: if it differs, nothing below it can be compared."""
    steps = pattern.removeprefix(ORDER).split("/")
    end = len(steps) + pattern.startswith(ORDER)
    return pattern != STATUS and any(matches(place, "/".join(steps[:i])) for i in range(1, end))


def general(place: str) -> str:
    """Return a place with `*` for the positions in lists."""
    return re.sub(r"/[0-9]+(?=/|$)", "/*", place)


def last_name(place: str) -> str:
    """Return the attribute at the end of a place, with `order:` if it is about an order."""
    name = general(place).replace("/*", "").rpartition("/")[2]
    return f"{ORDER}{name}" if place.startswith(ORDER) else name


def steady(places: Iterable[str], volatile: Collection[str]) -> list[str]:
    """Return the places that do not vary by themselves. A status always counts, also if an attribute has its name."""
    return [place for place in places if place in (STATUS, ERRORS) or last_name(place) not in volatile]


def has_error_shape(answer: LabAnswer) -> bool:
    """Return whether the body of a refusal has the shape of G-8. The answer to HEAD has no body."""
    if not answer.body:
        return True
    content = _content(answer)
    errors = content.get("errors") if isinstance(content, dict) else None
    return isinstance(errors, list) and bool(errors) and all(map(_is_error, errors))


def _is_error(error: object) -> bool:
    if not isinstance(error, dict):
        return False
    code, details = error.get("code"), error.get("details")
    return (
        type(code) is int
        and isinstance(error.get("message"), str)
        and isinstance(details, dict)
        and isinstance(details.get("reason"), str)
    )


def _content(answer: LabAnswer) -> Any:
    try:
        return answer.content()
    except ValueError:
        return _MISSING


def _differing(one: Any, other: Any, place: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in {**one, **other}:
            step = pointer_step(name) if _ATTRIBUTE.fullmatch(name) else f"/{DATA}"
            yield from _differing(one.get(name, _MISSING), other.get(name, _MISSING), place + step)
    elif isinstance(one, list) and isinstance(other, list):
        yield from _differing_lists(one, other, place)
    elif type(one) is not type(other) or one != other:
        yield place


def _differing_lists(one: list[Any], other: list[Any], place: str) -> Iterator[str]:
    names, others = _names(one), _names(other)
    if names is None or others is None:
        if len(one) != len(other):
            yield place
        else:
            for i, pair in enumerate(zip(one, other, strict=True)):
                yield from _differing(*pair, f"{place}/{i}")
        return
    if set(names) != set(others):
        yield place
    elif names != others:
        yield f"{ORDER}{place}"
    positions = {name: i for i, name in enumerate(others)}
    for i, name in enumerate(names):
        if name in positions:
            yield from _differing(one[i], other[positions[name]], f"{place}/{i}")


def _names(items: list[Any]) -> Sequence[str] | None:
    """Return what names each item, or `None` if something does not."""
    for key in KEYS:
        names = [each.get(key) if isinstance(each, dict) else None for each in items]
        if all(isinstance(each, str) for each in names) and len(set(names)) == len(names):
            return [str(each) for each in names]
    return None

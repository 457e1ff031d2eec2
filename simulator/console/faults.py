"""Says in words what an injected fault does, to which calls, and how often (S-6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Fault = Mapping[str, Any]
"""An injected fault as `GET faults` lists it."""

SCOPES = (("tenantId", "tenant"), ("groupId", "group"), ("userId", "user"))
ABORTS = {"close": "closes the connection without an answer", "truncate": "breaks the answer off half way"}


class Preset(NamedTuple):
    """A fault that is often wanted, and what it does in words.

    A preset may be several equal faults. Each of them lets one more call pass, since a call that a fault answers is
    not counted by the faults after it.
    """

    title: str
    text: str
    fault: Mapping[str, Any]
    faults: int = 1


PRESETS = (
    Preset("503 once", "The next call gets 503. The call after it succeeds.", {"status": 503, "times": 1}),
    Preset("Slow: 3 s", "Each call waits 3 seconds, until you delete the fault.", {"delayMs": 3000}),
    Preset(
        "Break off",
        "The next answer breaks off half way. Its operation is carried out.",
        {"abort": "truncate", "times": 1},
    ),
    Preset("401 once", "The next call gets 401, as after the end of a session.", {"status": 401, "times": 1}),
    Preset(
        "Flaky",
        "Every other call gets 503, three times: the 2nd, the 4th and the 6th from now. These are three faults.",
        {"status": 503, "after": 1, "times": 1},
        faults=3,
    ),
)


def effect(fault: Fault) -> str:
    """Return what the fault does to a call."""
    parts = []
    if "delayMs" in fault:
        parts.append(f"waits {fault['delayMs'] / 1000:g} s")
    if "status" in fault:
        after = f" with Retry-After: {fault['retryAfter']}" if "retryAfter" in fault else ""
        parts.append(f"answers {fault['status']}{after}")
    if "abort" in fault:
        parts.append(ABORTS[fault["abort"]])
    return ", then ".join(parts)


def scope(fault: Fault) -> str:
    """Return which calls the fault is for. The ids come from a client."""
    operation = "all operations" if fault["operationId"] == "*" else fault["operationId"]
    return ", ".join([operation, *(f"{word} {fault[name]}" for name, word in SCOPES if name in fault)])


def used(fault: Fault) -> str:
    """Return how often the fault took effect, of how often it may."""
    hits = fault["hits"]
    return f"{hits}, no end" if "times" not in fault else f"{hits} of {fault['times']}"


def notes(fault: Fault) -> Iterator[tuple[bool, str]]:
    """Yield the fault's warnings, each with whether it is usual: a status that is not documented is no mistake."""
    status = fault.get("status")
    for warning in fault["warnings"]:
        if warning == f"no operation documents the status {status}":
            where = "in the API documentation"
        elif (silent := warning.partition(f"the status {status} is not documented by "))[1]:
            where = f"in the documentation of {silent[2]}"
        else:
            yield False, warning
            continue
        yield True, f"{status} is not {where}. Your client should still survive it."


def is_spent(fault: Fault) -> bool:
    """Return whether the fault takes effect no more."""
    return "times" in fault and fault["hits"] >= fault["times"]

"""A request to the API and its answer, whoever gives it: a laboratory or a simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote, urlencode

import orjson

from simulator.contract.operation import JSON, Operation

Caller = Literal["first", "second", "none", "wrong"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabRequest:
    """One request. `target` is the encoded path with the query.

    `caller` says whose credentials go with it: those of the run's account, of the second account, none, or wrong ones.
    """

    method: str
    target: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    caller: Caller = "first"

    @property
    def path(self) -> str:
        """The encoded path, without the query."""
        return self.target.partition("?")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabAnswer:
    """One answer. The names of its headers are in lower case. Of a repeated header, the last one counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def content(self) -> Any:
        """Return what the body says, or `None` if it is empty. Raises `ValueError` if it is no JSON."""
        return orjson.loads(self.body) if self.body else None


Ask = Callable[[LabRequest], LabAnswer]
"""Sends a request and returns the answer."""


def path_of(template: str, parameters: Mapping[str, str]) -> str:
    """Return the path of a template, with the parameters percent-encoded in their places."""
    return template.format_map({name: quote(value, safe="") for name, value in parameters.items()})


def request_of(
    operation: Operation,
    parameters: Mapping[str, str],
    query: Mapping[str, str] | None = None,
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> LabRequest:
    """Return the request of an operation. A body is written as JSON, and `None` is no body."""
    path = path_of(operation.path, parameters)
    return LabRequest(
        method=operation.method,
        target=f"{path}?{urlencode(query)}" if query else path,
        body=None if body is None else orjson.dumps(body),
        headers={**({} if body is None else {"Content-Type": JSON}), **(headers or {})},
    )

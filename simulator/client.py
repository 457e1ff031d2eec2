"""A client of a running simulator's control interface, as the command line and the library use it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, Request, build_opener

import orjson

# The simulator is near: a proxy for the rest of the world must not come between.
_opener = build_opener(ProxyHandler({}))


class Unreachable(Exception):
    """There is no simulator at the address, or it does not answer."""


class Refused(Exception):
    """The simulator refused the call; the message holds its reasons."""


@dataclass(frozen=True, slots=True)
class Client:
    """Calls the control interface of one sandbox. `url` is the server's address, `timeout` is in seconds."""

    url: str
    sandbox: str = "default"
    token: str | None = None
    timeout: float = 10.0

    @property
    def base_url(self) -> str:
        """The address of the sandbox, behind which the paths of both interfaces come."""
        return f"{self.url.rstrip('/')}/_sandboxes/{quote(self.sandbox, safe='')}"

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None = None,
        accept: str = "application/json",
        json: object = None,
    ) -> bytes:
        """The body of the answer; `json` is that of the request. Raises `Unreachable` or `Refused`."""
        headers = {"Accept": accept} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        body = None if json is None else orjson.dumps(json)
        if body is not None:
            headers["Content-Type"] = "application/json"
        address = f"{self.base_url}/_simulator/{path}{'?' + urlencode(query) if query else ''}"
        try:
            request = Request(address, body, headers, method=method)  # noqa: S310  # any address the user gives
            with _opener.open(request, timeout=self.timeout) as answer:
                content: bytes = answer.read()
                return content
        except HTTPError as error:
            raise Refused(f"{method} {address}: {error.code} {_reasons(error.read())}") from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise Unreachable(f"no simulator answers at {self.url}: {reason}") from None

    def get(
        self, path: str, query: Mapping[str, object] | None = None, *, method: str = "GET", json: object = None
    ) -> Any:
        """The JSON that a GET, or a call with another `method`, answers."""
        body = self.call(method, path, query, json=json)
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            raise Unreachable(f"what answers at {self.url} is no simulator") from None

    def wait(self, seconds: float) -> str:
        """Wait until the server is healthy, so long at most, and return its version. Raises `Unreachable`."""
        end = time.monotonic() + seconds
        while True:
            attempt = replace(self, timeout=max(0.05, min(2.0, end - time.monotonic())))
            try:
                health = attempt.get("health")
                if not isinstance(health, dict) or health.get("status") != "ok":
                    raise Unreachable(f"what answers at {self.url} is no simulator")
                return str(health.get("version"))
            except (Unreachable, Refused) as failure:
                if time.monotonic() >= end:
                    raise Unreachable(str(failure)) from None
                time.sleep(min(0.05, max(0.0, end - time.monotonic())))


def _reasons(body: bytes) -> str:
    """The reasons in an error answer, or its beginning where it is none of the simulator's."""
    try:
        return "; ".join(
            f"{entry['details'].get('pointer', '')} {entry['details']['reason']} ({entry['details']['rule']})".strip()
            for entry in orjson.loads(body)["errors"]
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return body[:200].decode(errors="replace")

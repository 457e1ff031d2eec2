"""A client of the control interface of a running simulator. The command line and the library use it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException
from json import dumps
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, Request, build_opener

import orjson

from simulator.errors import Fault
from simulator.reports.text import printable
from simulator.settings import DEFAULT_PORT, Settings

# The simulator runs nearby, so a proxy for the internet must not be used.
_opener = build_opener(ProxyHandler({}))


class Unreachable(Exception):
    """No simulator answers at the address."""


class Refused(Exception):
    """The simulator refused the call. `faults` and the message hold the reasons."""

    def __init__(self, call: str, status: int, faults: Sequence[Fault]) -> None:
        reasons = (f"{fault.pointer or ''} {fault.reason} ({fault.rule})".strip() for fault in faults)
        super().__init__(printable(f"{call}: {status} {'; '.join(reasons)}"))
        self.status = status
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Client:
    """Calls the control interface of one sandbox. `url` is the server's address, `timeout` is in seconds.

    Raises `ValueError` if `url` is not valid, or if no server can demand the token (S-2).
    """

    url: str
    sandbox: str = "default"
    token: str | None = None
    timeout: float = 10.0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"https?://[^/]+/?", self.url):
            raise ValueError(
                f"{self.url!r} is no address of a server; write it like http://127.0.0.1:{DEFAULT_PORT}, without a path"
            )
        Settings(control_token=self.token)

    @property
    def base_url(self) -> str:
        """The address of the sandbox. The paths of both interfaces are appended to it."""
        return f"{self.url.rstrip('/')}/_sandboxes/{quote(self.sandbox, safe='')}"

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None = None,
        accept: str = "application/json",
        json: object = None,
    ) -> bytes:
        """Send a request with the body `json`, and return the body of the answer.

        Raises `Unreachable` or `Refused`. Raises `TypeError` or `ValueError` if `json` cannot be written as JSON.
        """
        headers = {"Accept": accept} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        body = None if json is None else dumps(json, allow_nan=False).encode()
        if body is not None:
            headers["Content-Type"] = "application/json"
        address = f"{self.base_url}/_simulator/{path}{'?' + urlencode(query) if query else ''}"
        try:
            request = Request(address, body, headers, method=method)  # noqa: S310  # any address the user gives
            with _opener.open(request, timeout=self.timeout) as answer:
                content: bytes = answer.read()
                return content
        except HTTPError as error:
            with error:
                faults = _faults(error.read())
            if faults is None:
                raise Unreachable(f"what answers at {self.url} with {error.code} is no simulator") from None
            raise Refused(f"{method} {address}", error.code, faults) from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise Unreachable(f"no simulator answers at {self.url}: {reason}") from None

    def get(self, path: str, query: Mapping[str, object] | None = None) -> Any:
        """Send a GET, and return the JSON of the answer. Raises the same as `call`."""
        return self._parsed(self.call("GET", path, query))

    def send(self, method: str, path: str, json: object) -> Any:
        """Send a request with a JSON body, and return the JSON of the answer. Raises the same as `call`."""
        return self._parsed(self.call(method, path, json=json))

    def _parsed(self, body: bytes) -> Any:
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            raise Unreachable(f"what answers at {self.url} is no simulator") from None

    def wait(self, seconds: float) -> str:
        """Wait at most `seconds` until the server is healthy, and return its version. Raises `Unreachable`."""
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


def _faults(body: bytes) -> list[Fault] | None:
    """Returns the faults in an error answer, or `None` if the answer is not one of the simulator's."""
    try:
        found = [each["details"] for each in orjson.loads(body)["errors"]]
        return [Fault(each["rule"], each["reason"], each.get("pointer")) for each in found]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None

"""A client of the control interface of a running simulator. The command line and the library use it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http.client import HTTPException, HTTPResponse, IncompleteRead
from json import dumps
from operator import methodcaller
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import orjson

from simulator.errors import Fault
from simulator.progress import Progress, unseen
from simulator.reports.text import printable
from simulator.settings import DEFAULT_PORT, Settings

# The simulator runs nearby, so a proxy for the internet must not be used.
_opener = build_opener(ProxyHandler({}))


class Unreachable(Exception):
    """No simulator answers at the address."""


class Stranger(Unreachable):
    """The server at the address is not a simulator."""


class Refused(Exception):
    """The simulator refused the call. The message begins with the reasons, which `reasons` holds alone."""

    def __init__(self, call: str, status: int, faults: Sequence[Fault]) -> None:
        reasons = (f"{fault.pointer or ''} {fault.reason} ({fault.rule})".strip() for fault in faults)
        self.reasons = printable("; ".join(reasons))
        super().__init__(printable(f"{self.reasons} [{call}: {status}]"))
        self.status = status
        self.faults = tuple(faults)


# If a call is refused, pytest shows the line of the test, and not the lines of this module.
__tracebackhide__ = methodcaller("errisinstance", (Refused, Unreachable))

REPLICA = r"/_replicas/[A-Za-z0-9._-]{1,64}"
"""The only path that an address may have: it names a replica behind a proxy."""
REPLICA_HEADER = "X-Simulator-Replica"
"""A proxy in front of several servers may name the one that answered in this header."""
CHUNK = 1024 * 1024
"""How many bytes of an answer are read before the progress is reported again."""
EVENT_STREAM = "text/event-stream"
SILENCE_SECONDS = 40.0
"""How long a stream of events may be silent. The server shows every 15 seconds that it is there."""


class StreamEvent(NamedTuple):
    """An event of a stream: its kind, its id, and its data."""

    kind: str
    id: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Client:
    """Calls the control interface of one sandbox. `url` is the server's address, `timeout` is in seconds.

    The address may end in `/_replicas/NAME`: a proxy in front of several servers passes such calls to one of them.

    Raises `ValueError` if `url` is not valid, or if no server can demand the token (S-2).
    """

    url: str
    sandbox: str = "default"
    token: str | None = None
    timeout: float = 10.0

    def __post_init__(self) -> None:
        if not _is_address(self.url):
            raise ValueError(
                f"{self.url!r} is no address of a server; write it like http://127.0.0.1:{DEFAULT_PORT}, "
                "without a path except /_replicas/NAME"
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
        progress: Progress = unseen,
    ) -> bytes:
        """Send a request with the body `json`, and return the body of the answer. Report the progress.

        Raises `Unreachable` or `Refused`. Raises `TypeError` or `ValueError` if `json` cannot be written as JSON.
        """
        body = None if json is None else dumps(json, allow_nan=False).encode()
        address = self._address(path, query)
        try:
            progress("waiting for the answer", None)
            with _opener.open(self._request(method, address, accept, body), timeout=self.timeout) as answer:
                return _content(answer, progress)
        except (OSError, HTTPException, ValueError) as error:
            raise self._failure(f"{method} {address}", error) from None

    def replica(self) -> str | None:
        """Return the name of the server that answers for the sandbox, if a proxy in front tells it.

        Raises `Unreachable` or `Refused`.
        """
        address = self._address("health", None)
        try:
            with _opener.open(self._request("HEAD", address, "*/*"), timeout=self.timeout) as answer:
                name: str | None = answer.headers.get(REPLICA_HEADER)
                return name
        except (OSError, HTTPException, ValueError) as error:
            raise self._failure(f"HEAD {address}", error) from None

    def events(self, query: Mapping[str, object]) -> Iterator[StreamEvent]:
        """Yield what happens in the sandbox, until the server ends the stream (S-13).

        Raises the same as `call`, also if the connection breaks, or if nothing arrives for `SILENCE_SECONDS`.
        """
        address = self._address("events", query)
        try:
            with _opener.open(self._request("GET", address, EVENT_STREAM), timeout=SILENCE_SECONDS) as answer:
                yield from _events(answer)
        except (OSError, HTTPException, ValueError) as error:
            raise self._failure(f"GET {address}", error) from None

    def _address(self, path: str, query: Mapping[str, object] | None) -> str:
        return f"{self.base_url}/_simulator/{path}{'?' + urlencode(query) if query else ''}"

    def _request(self, method: str, address: str, accept: str, body: bytes | None = None) -> Request:
        headers = {"Accept": accept} | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        if body is not None:
            headers["Content-Type"] = "application/json"
        return Request(address, body, headers, method=method)  # noqa: S310  # any address the user gives

    def _failure(self, call: str, error: OSError | HTTPException | ValueError) -> Refused | Unreachable:
        """Returns what a failed call means."""
        if isinstance(error, HTTPError):
            with error:
                faults = _faults(error.read())
            if faults is None:
                return Stranger(f"what answers at {self.url} with {error.code} is no simulator")
            return Refused(call, error.code, faults)
        reason = getattr(error, "reason", None) or error
        reason = getattr(reason, "strerror", None) or reason
        return Unreachable(f"no simulator answers at {self.url}: {reason}")

    def get(self, path: str, query: Mapping[str, object] | None = None, progress: Progress = unseen) -> Any:
        """Send a GET, and return the JSON of the answer. Raises the same as `call`."""
        return self._parsed(self.call("GET", path, query, progress=progress))

    def send(self, method: str, path: str, json: object) -> Any:
        """Send a request with a JSON body, and return the JSON of the answer. Raises the same as `call`."""
        return self._parsed(self.call(method, path, json=json))

    def _parsed(self, body: bytes) -> Any:
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            raise Stranger(f"what answers at {self.url} is no simulator") from None

    def wait(self, seconds: float) -> str:
        """Wait at most `seconds` until the server is healthy, and return its version. Raises `Unreachable`."""
        end = time.monotonic() + seconds
        while True:
            attempt = replace(self, timeout=max(0.05, min(2.0, end - time.monotonic())))
            try:
                health = attempt.get("health")
                if not isinstance(health, dict) or health.get("status") != "ok":
                    raise Stranger(f"what answers at {self.url} is no simulator")
                return str(health.get("version"))
            except (Unreachable, Refused) as failure:
                if time.monotonic() >= end:
                    raise failure if isinstance(failure, Unreachable) else Unreachable(str(failure)) from None
                time.sleep(min(0.05, max(0.0, end - time.monotonic())))


def _is_address(url: str) -> bool:
    try:
        return re.fullmatch(rf"https?://[^/@]+({REPLICA})?/?", url) is not None and urlsplit(url).port != 0
    except ValueError:  # The port is no number, or too large.
        return False


def _content(answer: HTTPResponse, progress: Progress) -> bytes:
    """Returns the body of an answer. Raises `IncompleteRead` if the server sends less than it has announced."""
    total = answer.length
    if total is None or total <= CHUNK:
        return answer.read()
    content = bytearray()
    while len(content) < total:
        progress("receiving", len(content) / total)
        part = answer.read(CHUNK)
        if not part:
            raise IncompleteRead(bytes(content), total - len(content))
        content += part
    return bytes(content)


def _events(answer: HTTPResponse) -> Iterator[StreamEvent]:
    """Yield the events of a stream. Raises `ValueError` if it is not one of a simulator."""
    kind = place = data = ""
    for line in answer:
        name, _, value = line.decode().rstrip("\r\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "id":
            place = value
        elif name == "data":
            data = value
        elif not name and data:
            yield StreamEvent(kind, place, orjson.loads(data))
            data = ""


def _faults(body: bytes) -> list[Fault] | None:
    """Returns the faults in an error answer, or `None` if the answer is not one of the simulator's."""
    try:
        found = [each["details"] for each in orjson.loads(body)["errors"]]
        return [Fault(each["rule"], each["reason"], each.get("pointer")) for each in found]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None

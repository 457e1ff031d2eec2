"""The simulator in the process of a test suite, and handles on one that runs elsewhere."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, Required, Self, TypedDict, Unpack
from urllib.parse import quote

from simulator.client import Client, Refused, Unreachable
from simulator.document import Document, Source
from simulator.errors import BrokenDocument
from simulator.fixtures.folder import fixture_document
from simulator.settings import Options, Settings

if TYPE_CHECKING:
    from types import TracebackType

    from simulator.server import Server


class RequestFilter(TypedDict, total=False):
    """Which calls are asked for, as `GET requests` takes it (S-7)."""

    operationId: str
    method: str
    path: str
    status: str | int
    rule: str
    since: str
    limit: int


class FaultInjection(TypedDict, total=False):
    """A fault, as `POST faults` takes it (S-6)."""

    operationId: Required[str]
    tenantId: str
    groupId: str
    userId: str
    after: int
    times: int
    delayMs: int
    status: int
    body: dict[str, Any]
    retryAfter: int
    abort: Literal["close", "truncate"]


class Sandbox:
    """A handle on one sandbox; as a context manager, it drops the sandbox in the end.

    What goes in and comes out has the names and shapes of the control interface's contract. Every call raises `Refused`
    with the simulator's reasons, or `Unreachable`; one that takes a fixture, `BrokenDocument` with all to mend in it.
    """

    def __init__(self, control: Client) -> None:
        self.control = control
        """For the calls of the control interface that have no method here."""
        self._dropped = False

    @property
    def name(self) -> str:
        """The name of the sandbox."""
        return self.control.sandbox

    @property
    def url(self) -> str:
        """The base URL for clients of the API; its paths, `/api/v1/…`, come behind it."""
        return self.control.base_url

    def reset(self) -> None:
        """Take state, sessions, journal, faults and coverage back to the seed."""
        self.control.call("POST", "reset")

    @property
    def state(self) -> dict[str, Any]:
        """The world of the sandbox as a fixture; assign another one, or the path of its file, to replace it (S-4)."""
        state: dict[str, Any] = self.control.get("state")
        return state

    @state.setter
    def state(self, fixture: Source) -> None:
        document = _document(fixture)
        with _located(document):
            self.control.call("PUT", "state", json=document.data)

    def patch(self, document: dict[str, Any]) -> list[dict[str, Any]]:
        """Apply a JSON merge patch (RFC 7396) to the state, and return what it changed (EX-17, S-4)."""
        changes: list[dict[str, Any]] = self.control.send("PATCH", "state", document)["changes"]
        return changes

    def diff(self, since: str = "seed") -> list[dict[str, Any]]:
        """What changed since the seed, or since a snapshot: `op`, `path`, `before`, `after` of each change (S-5)."""
        changes: list[dict[str, Any]] = self.control.get("diff", {"since": since})["changes"]
        return changes

    def snapshot(self, name: str) -> None:
        """Name the present state (S-5)."""
        self.control.call("PUT", f"snapshots/{quote(name, safe='')}")

    def restore(self, name: str) -> None:
        """Take the state, and nothing else, back to a snapshot (S-5)."""
        self.control.call("POST", f"snapshots/{quote(name, safe='')}/restore")

    def requests(self, **matching: Unpack[RequestFilter]) -> list[dict[str, Any]]:
        """The journal's entries that match, newest last; the newest 100 if no `limit` is given (S-7)."""
        requests: list[dict[str, Any]] = self.control.get("requests", dict(matching))["requests"]
        return requests

    def fault(self, **fault: Unpack[FaultInjection]) -> dict[str, Any]:
        """Make calls slow, fail or break off; the answer has the fault's `id` and perhaps `warnings` (S-6)."""
        injected: dict[str, Any] = self.control.send("POST", "faults", fault)
        return injected

    def coverage(self) -> dict[str, Any]:
        """Which operations, statuses and rules the calls to the sandbox have exercised (S-8)."""
        coverage: dict[str, Any] = self.control.get("coverage")
        return coverage

    def drop(self) -> None:
        """Remove the sandbox; a call of the API to its address would bring a fresh one into being (G-17)."""
        self.control.call("DELETE", f"sandboxes/{quote(self.name, safe='')}")
        self._dropped = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._dropped:
            return
        try:
            self.drop()
        except (Refused, Unreachable) as failure:
            if error is None:
                raise
            # What went wrong first must not be hidden by what came of it.
            error.add_note(f"The sandbox could not be dropped: {failure}")

    def __repr__(self) -> str:
        return f"Sandbox({self.url!r})"


class Simulator:
    """A simulator, served on a thread of this process between `start` and `stop`; also a context manager.

    Every sandbox starts from `fixture`, the path of a file or a document, or from the default one. `port` 0 is a free
    one. The options are those of `Settings`; `TypeError` and `ValueError` say what is wrong with them.
    `Simulator.connect` gives a handle on one that runs elsewhere.
    """

    def __init__(
        self, fixture: Source | None = None, *, host: str = "127.0.0.1", port: int = 0, **options: Unpack[Options]
    ) -> None:
        self._fixture = fixture
        self._host, self._port = host, port
        self._settings = Settings.of(**options)
        self._server: Server | None = None
        self._control: Client | None = None
        self._lock = Lock()

    @classmethod
    def connect(cls, url: str, *, control_token: str | None = None, timeout: float = 10.0) -> Self:
        """A handle on the simulator at `url`, as soon as that is healthy.

        Raises `Unreachable` if it is not within `timeout` seconds, `ValueError` for an address that no server has
        and for a token that none can demand.
        """
        control = Client(url.rstrip("/"), token=control_token)
        control.wait(timeout)
        simulator = cls()
        simulator._control = control
        return simulator

    @property
    def url(self) -> str:
        """The address of the server, and with it the base URL of the sandbox `default`."""
        return self._connected().url

    @property
    def default(self) -> Sandbox:
        """The sandbox that answers where none is named."""
        return Sandbox(self._connected())

    def start(self) -> Self:
        """Begin to serve, unless it does so already.

        Raises `BrokenDocument` with all there is to mend in the fixture, `AddressUnavailable` if the port is taken.
        """
        with self._lock:
            if self._control is None:
                # The imports that cost time, for those who connect to another process and do without.
                from simulator.app import standard_simulation
                from simulator.server import Server

                simulation, settings = standard_simulation(), self._settings.at(self._host)
                app = simulation.app(simulation.world(self._fixture), settings).wsgi_app
                limits = settings.largest_body, settings.request_seconds
                self._server = Server(app, self._host, self._port, *limits, transfer_limit=settings.transfer_limit)
                self._server.start()
                self._control = Client(self._server.local_url, token=settings.control_token)
        return self

    def stop(self) -> None:
        """Answer what is in flight, and end. A simulator that runs elsewhere goes on running there."""
        with self._lock:
            if self._server is not None:
                self._server.stop()
                self._server = self._control = None

    def sandbox(self, name: str | None = None, fixture: Source | None = None) -> Sandbox:
        """A fresh sandbox, with a seed of its own if there is a `fixture`; without a `name`, its name is a new one.

        One that has the name already is replaced. Raises `BrokenDocument` with all that is wrong in the fixture (G-18).
        """
        sandbox = Sandbox(replace(self._connected(), sandbox=uuid.uuid4().hex if name is None else name))
        path = f"sandboxes/{quote(sandbox.name, safe='')}"
        if fixture is None:
            self._connected().call("PUT", path)
            return sandbox
        document = _document(fixture)
        with _located(document, "/fixture"):
            self._connected().call("PUT", path, json={"fixture": document.data})
        return sandbox

    def coverage(self) -> dict[str, Any]:
        """What the calls to all sandboxes have exercised, to those too that were reset or dropped (S-8)."""
        coverage: dict[str, Any] = self._connected().get("coverage", {"sandbox": "*"})
        return coverage

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _connected(self) -> Client:
        if self._control is None:
            raise RuntimeError("the simulator is not running: call start(), or use it in a with statement")
        return self._control


def _document(fixture: Source) -> Document:
    """What a fixture holds, with the places where it does."""
    document = fixture_document(fixture)
    if document.problems:
        raise BrokenDocument(document.problems)
    return document


@contextmanager
def _located(document: Document, pointer: str = "") -> Iterator[None]:
    """Tell of what is refused in a document, which is sent at a pointer, where it stands in its file."""
    try:
        yield
    except Refused as refused:
        if any(fault.pointer is None for fault in refused.faults):
            raise
        problems = [
            document.problem((fault.pointer or "").removeprefix(pointer), f"{fault.reason} ({fault.rule})")
            for fault in refused.faults
        ]
        raise BrokenDocument(problems) from None

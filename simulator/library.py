"""The Python library: runs a simulator inside a test suite's process, or connects to one that runs elsewhere.

The module is long because it is the whole public interface: two classes with a method for each call.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from math import ceil
from operator import methodcaller
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack
from urllib.parse import quote

from simulator.client import EVENT_STREAM, Client, Refused, Unreachable
from simulator.document import Document, Source
from simulator.errors import BrokenDocument
from simulator.fixture.folder import fixture_document
from simulator.reports.journal import call_text
from simulator.settings import Options, Settings

if TYPE_CHECKING:
    from types import TracebackType

    from simulator.server import Server

EVERY_REQUEST = 10**9
LONGEST_STREAM = 86_400
"""How many seconds a stream may be asked for."""
PAUSE_SECONDS = 0.05
"""How long to wait before a stream is asked for again."""
MOST_SHOWN = 10
"""How many calls the message of a `TimeoutError` shows."""

# If a call is refused, pytest shows the line of the test, and not the lines of this module.
__tracebackhide__ = methodcaller("errisinstance", (BrokenDocument, Refused, TimeoutError, Unreachable))


class Sandbox:
    """One sandbox. As a context manager, it drops the sandbox at the end.

    Arguments and results have the names and shapes of the control interface's contract. Every call may raise `Refused`
    with the simulator's reasons, or `Unreachable`. A call that takes a fixture may raise `BrokenDocument`, which lists
    everything that is wrong with it.
    """

    def __init__(self, control: Client) -> None:
        self.control = control
        """The client for calls of the control interface that have no method here."""
        self._dropped = False

    @property
    def name(self) -> str:
        """The name of the sandbox."""
        return self.control.sandbox

    @property
    def url(self) -> str:
        """The base URL for clients of the API. Paths such as `/api/v1/…` are appended to it."""
        return self.control.base_url

    def reset(self) -> None:
        """Take state, sessions, journal, faults and coverage back to the seed."""
        self.control.call("POST", "reset")

    @property
    def state(self) -> dict[str, Any]:
        """The state as a fixture. Assign a fixture, or the path of its file, to replace it (S-4)."""
        state: dict[str, Any] = self.control.get("state")
        return state

    @state.setter
    def state(self, fixture: Source) -> None:
        load_state(self.control, fixture_document(fixture))

    def patch(self, document: dict[str, Any]) -> list[dict[str, Any]]:
        """Apply a JSON merge patch (RFC 7396) to the state, and return what it changed (EX-17, S-4)."""
        changes: list[dict[str, Any]] = self.control.send("PATCH", "state", document)["changes"]
        return changes

    def diff(self, since: str = "seed") -> list[dict[str, Any]]:
        """Returns the changes since the seed or a snapshot, each with `op`, `path`, `before` and `after` (S-5)."""
        changes: list[dict[str, Any]] = self.control.get("diff", {"since": since})["changes"]
        return changes

    def snapshot(self, name: str) -> None:
        """Keep the current state under a name (S-5)."""
        self.control.call("PUT", f"snapshots/{quote(name, safe='')}")

    def restore(self, name: str) -> None:
        """Take the state back to a snapshot. Sessions, journal, faults and coverage stay (S-5)."""
        self.control.call("POST", f"snapshots/{quote(name, safe='')}/restore")

    # The names are written out, so that Python itself reports a misspelt one, without any of our code in the traceback.

    def requests(
        self,
        *,
        operationId: str | None = None,  # noqa: N803  # the contract's name
        method: str | None = None,
        path: str | None = None,
        status: str | int | None = None,
        rule: str | None = None,
        account: str | None = None,
        text: str | None = None,
        since: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """Returns the journal's entries that match, newest last. Without `limit`, at most the newest 100 (S-7)."""
        matching = {
            "operationId": operationId,
            "method": method,
            "path": path,
            "status": status,
            "rule": rule,
            "account": account,
            "text": text,
            "since": since,
            "before": before,
            "limit": limit,
        }
        requests: list[dict[str, Any]] = self.control.get("requests", _given(matching))["requests"]
        return requests

    @property
    def cursor(self) -> str:
        """Names this moment in the journal. As `since`, it selects all later calls (S-7)."""
        cursor: str = self.control.get("requests", {"limit": 0})["cursor"]
        return cursor

    def wait_for(
        self,
        *,
        operationId: str | None = None,  # noqa: N803  # the contract's name
        method: str | None = None,
        path: str | None = None,
        status: str | int | None = None,
        rule: str | None = None,
        account: str | None = None,
        since: str | None = None,
        timeout: float = 10.0,
    ) -> dict[str, Any]:
        """Returns the journal's entry of the first call that matches, and waits for it if need be (S-7, S-13).

        A call that came before counts too, so a call that is quicker than the waiting is not missed. With `since`, only
        later calls count: later than a `cursor`, or than the call with this `id`. Raises `TimeoutError` if there is no
        such call within `timeout` seconds. The message says which calls came.
        """
        criteria = {
            "operationId": operationId,
            "method": method,
            "path": path,
            "status": status,
            "rule": rule,
            "account": account,
        }
        wanted, later = _given(criteria), _given({"since": since})
        end = time.monotonic() + timeout
        answer = self.control.get("requests", {**wanted, **later, "limit": 1 if later else EVERY_REQUEST})
        while not answer["requests"]:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(self._missing(wanted, later, timeout))
            query = {**wanted, "since": answer["cursor"], "limit": 1}
            self._until_call(query, left)
            answer = self.control.get("requests", query)
            if not answer["requests"]:
                # The stream may have ended at once, and may do so again.
                time.sleep(max(0.0, min(PAUSE_SECONDS, end - time.monotonic())))
        entry: dict[str, Any] = answer["requests"][0]
        return entry

    def _until_call(self, query: dict[str, Any], seconds: float) -> None:
        """Wait until a call matches, but not longer than this. Return earlier if there is no stream or it breaks off.

        Raises `Refused` for a filter that cannot match.
        """
        query = {**query, "seconds": min(ceil(seconds), LONGEST_STREAM)}
        try:
            replace(self.control, timeout=seconds).call("GET", "events", query, EVENT_STREAM)
        except Unreachable:
            # The next call shows why.
            pass
        except Refused as refused:
            # There may be too many streams now, and fewer soon (S-10).
            if refused.status != HTTPStatus.SERVICE_UNAVAILABLE:
                raise

    def _missing(self, wanted: dict[str, Any], later: dict[str, Any], timeout: float) -> str:
        """Returns what was waited for in vain, and which calls came."""
        criteria = ", ".join(f"{name}={value!r}" for name, value in wanted.items())
        journal = self.control.get("requests", {**later, "limit": EVERY_REQUEST})
        shown, total = journal["requests"][-MOST_SHOWN:], journal["total"]
        what = f"no call with {criteria}" if criteria else "no call"
        calls = "these calls came" if total <= MOST_SHOWN else f"of {total} calls, these came last"
        came = f"{calls}:" if shown else "no other call came"
        return "\n".join([f"{what} within {timeout:g} s; {came}", *map(call_text, shown)])

    def fault(
        self,
        *,
        operationId: str,  # noqa: N803  # the contract's name
        tenantId: str | None = None,  # noqa: N803
        groupId: str | None = None,  # noqa: N803
        userId: str | None = None,  # noqa: N803
        after: int | None = None,
        times: int | None = None,
        delayMs: int | None = None,  # noqa: N803
        status: int | None = None,
        body: dict[str, Any] | None = None,
        retryAfter: int | None = None,  # noqa: N803
        abort: Literal["close", "truncate"] | None = None,
    ) -> dict[str, Any]:
        """Make calls slow, fail or break off. Returns the fault, with its `id` and perhaps `warnings` (S-6)."""
        fault = {
            "operationId": operationId,
            "tenantId": tenantId,
            "groupId": groupId,
            "userId": userId,
            "after": after,
            "times": times,
            "delayMs": delayMs,
            "status": status,
            "body": body,
            "retryAfter": retryAfter,
            "abort": abort,
        }
        injected: dict[str, Any] = self.control.send("POST", "faults", _given(fault))
        return injected

    def coverage(self) -> dict[str, Any]:
        """Returns which operations, statuses and rules the calls to the sandbox have exercised (S-8)."""
        coverage: dict[str, Any] = self.control.get("coverage")
        return coverage

    def drop(self) -> None:
        """Remove the sandbox. A later call of the API to its address would create a fresh one, if it may (G-17)."""
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
            # The first error is the cause. It must not be hidden by this one.
            error.add_note(f"The sandbox could not be dropped: {failure}")

    def __repr__(self) -> str:
        return f"Sandbox({self.url!r})"


class Simulator:
    """A simulator that serves on a thread of this process, from `start` to `stop`. Also a context manager.

    Every sandbox starts from `fixture`: the path of a file, or a document. By default it is the default fixture. A
    `profile`, also a file or a document, says what was observed on a real system; the simulator follows it (S-14).
    `port` 0 means a free port. The options are those of `Settings`. Raises `TypeError` or `ValueError` if an option is
    wrong. `Simulator.connect` connects to a simulator that runs elsewhere.
    """

    def __init__(
        self,
        fixture: Source | None = None,
        *,
        profile: Source | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        **options: Unpack[Options],
    ) -> None:
        self._fixture, self._profile = fixture, profile
        self._host, self._port = host, port
        self._settings = Settings.of(**options)
        self._server: Server | None = None
        self._control: Client | None = None
        self._lock = Lock()

    @classmethod
    def connect(cls, url: str, *, control_token: str | None = None, timeout: float = 10.0) -> Self:
        """Wait until the simulator at `url` is healthy, and return an object for it.

        Raises `Unreachable` if it is not healthy within `timeout` seconds, `ValueError` if `url` is not valid, or if no
        server can demand the token.
        """
        control = Client(url.rstrip("/"), token=control_token)
        control.wait(timeout)
        simulator = cls()
        simulator._control = control
        return simulator

    @property
    def url(self) -> str:
        """The address of the server. It is also the base URL of the sandbox `default`."""
        return self._connected().url

    @property
    def default(self) -> Sandbox:
        """The default sandbox. It answers calls whose path names no sandbox."""
        return Sandbox(self._connected())

    def start(self) -> Self:
        """Start to serve, unless the simulator already does.

        Raises `BrokenDocument` with everything that is wrong with the profile or the fixture, `AddressUnavailable` if
        the port is taken.
        """
        with self._lock:
            if self._control is None:
                # These imports are slow, and code that connects to another process does not need them.
                from simulator.app import standard_simulation
                from simulator.server import Server

                simulation, settings = standard_simulation().following(self._profile), self._settings.at(self._host)
                app = simulation.app(simulation.world(self._fixture), settings).wsgi_app
                limits = settings.largest_body, settings.request_seconds
                self._server = Server(app, self._host, self._port, *limits, transfer_limit=settings.transfer_limit)
                self._server.start()
                self._control = Client(self._server.local_url, token=settings.control_token)
        return self

    def stop(self) -> None:
        """Answer the requests in flight, and stop. A simulator that runs elsewhere keeps running."""
        with self._lock:
            if self._server is not None:
                self._server.stop()
                self._server = self._control = None

    def sandbox(self, name: str | None = None, fixture: Source | None = None) -> Sandbox:
        """Create a fresh sandbox. With a `fixture`, that is its seed. Without a `name`, it gets a new one.

        A sandbox that already has the name is replaced. Raises `BrokenDocument` with everything that is wrong with the
        fixture (G-18).
        """
        return create_sandbox(self._connected(), uuid.uuid4().hex if name is None else name, fixture)

    def coverage(self) -> dict[str, Any]:
        """Returns the coverage of all sandboxes, including calls before a reset and dropped sandboxes (S-8)."""
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


def create_sandbox(server: Client, name: str, fixture: Source | None = None) -> Sandbox:
    """Create a sandbox of this name. With a `fixture`, that is its seed. Raises the same as `Simulator.sandbox`."""
    sandbox = Sandbox(replace(server, sandbox=name))
    path = f"sandboxes/{quote(name, safe='')}"
    if fixture is None:
        server.call("PUT", path)
        return sandbox
    document = fixture_document(fixture)
    with _located(document, "/fixture"):
        server.call("PUT", path, json={"fixture": document.data})
    return sandbox


def _given(arguments: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments that were given. No attribute of the control interface can be null."""
    return {name: value for name, value in arguments.items() if value is not None}


def load_state(sandbox: Client, document: Document) -> None:
    """Replace the state of a sandbox by a fixture (S-4).

    Raises `Refused`, `Unreachable`, or `BrokenDocument` with everything that is wrong with the fixture.
    """
    with _located(document):
        sandbox.call("PUT", "state", json=document.data)


@contextmanager
def _located(document: Document, pointer: str = "") -> Iterator[None]:
    """Turn a refusal of the document into a `BrokenDocument` that names the places in its file.

    A document with problems is not sent at all. `pointer` is where it is placed in the body that is sent.
    """
    if document.problems:
        raise BrokenDocument(document.problems)
    try:
        yield
    except Refused as refused:
        if any(fault.pointer is None for fault in refused.faults):
            raise
        from simulator.fixture.fixtures import located

        faults = (replace(each, pointer=(each.pointer or "").removeprefix(pointer)) for each in refused.faults)
        raise BrokenDocument(located(document, fault) for fault in faults) from None

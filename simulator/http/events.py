"""The event stream of a sandbox: what happens in it, as server-sent events (S-13)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import cast

import orjson

from simulator.contract.operation import EVENTS, Call, Content
from simulator.control.call import Control
from simulator.control.requests import Filter, brief, filters_of
from simulator.http.auth import RequestCall
from simulator.http.responses import Fields
from simulator.http.wsgi import Stream
from simulator.state.events import GAP
from simulator.state.journal import Exchange

STREAM_FIELDS: Fields = (("Content-Type", EVENTS), ("Cache-Control", "no-store"), ("X-Accel-Buffering", "no"))
"""The headers of a stream. No cache may keep it, and no proxy may wait until there is more of it."""
RETRY_MILLISECONDS = 1_000
"""After how long a browser connects again."""
MOST_AT_ONCE = 32 * 1024
"""If more bytes of events are there, the rest is sent with the next ones."""
TEXTS_REMEMBERED = 1_000
LONGEST_REMEMBERED = 1_000

_NAMES = {"operation_id": "operationId", "duration_ms": "durationMs"}
"""The contract's names, where they differ. A rendering by the contract would take longer for each call."""

HELLO, DROPPED = "hello", "dropped"

_ID = re.compile("([0-9a-f]+)@([0-9]{1,18})")
_texts: dict[tuple[object, ...], bytes] = {}
"""The data of calls that were sent last. All streams send the same."""


def watch_events(call: Call, control: Control) -> object:
    """GET events (S-13). Raises `InvalidAttribute` for a filter that cannot match, `UnknownSandbox` (G-17)."""
    query, context = call.query, cast(RequestCall, call).context
    _ = control.sandbox
    # A browser that comes back sends the header, and the same query as at first.
    since = context.request.last_event_id or query.get("since")
    events = EventStream(control, filters_of(call, control), since, query.get("limit"))
    context.stream = Stream(events.read, events.beat, events.close, query.get("seconds"))
    return Content(EVENTS, b"")


class EventStream:
    """The events of a sandbox after a position, as text. It keeps its position and nothing else.

    Only calls that match all `filters` are sent. After `limit` calls, the stream ends. `since` is the id of the last
    event that the client has, or `None`: then the stream begins now. An id that is not of this run of the server leads
    to a `gap`, and to everything that the journal still has.
    """

    def __init__(self, control: Control, filters: Sequence[Filter], since: str | None, limit: int | None) -> None:
        self._sandboxes, self._name = control.sandboxes, control.sandbox_name
        self._filters = filters
        self._left = limit
        self._watcher: Callable[[], object] | None = None
        self._position = now = self._sandboxes.next_position()
        self._has_gap = False
        if since is not None:
            known = _ID.fullmatch(since)
            is_ours = known is not None and known[1] == self._sandboxes.run and int(known[2]) < now
            self._position = int(known[2]) if known is not None and is_ours else 0
            self._has_gap = not is_ours
        hello = {"run": self._sandboxes.run, "sandbox": self._name, "sequence": self._position}
        self._opening = b"retry: %d\n" % RETRY_MILLISECONDS + self._text(HELLO, self._position, orjson.dumps(hello))

    def read(self, wake: Callable[[], object]) -> tuple[bytes, bool]:
        """Return what is new, and whether the stream goes on. `wake` is called once as soon as there may be more."""
        parts, self._opening = [self._opening], b""
        if self._left == 0:
            return parts[0], False
        self._watcher = wake
        events = self._sandboxes.happened(self._name, self._position, wake)
        if events is None:
            # Without an id: no client can go on after it.
            return parts[0] + self._signal(DROPPED, None), False
        if self._has_gap:
            self._has_gap = False
            events = [(self._position, GAP, None), *[event for event in events if event[1] != GAP]]
        size = 0
        for self._position, kind, exchange in events:
            if exchange is None:
                text = self._signal(kind, self._position)
            elif all(matches(exchange.content) for matches in self._filters):
                text = self._text(kind, self._position, _data(exchange))
                if self._left is not None:
                    self._left -= 1
            else:
                continue
            parts.append(text)
            size += len(text)
            if self._left == 0:
                break
            if size > MOST_AT_ONCE:
                wake()
                break
        return b"".join(parts), self._left != 0

    def beat(self) -> bytes:
        """Return a comment. With it, the client learns the position, so that calls that did not match are no gap."""
        return f":\nid: {self._id(self._position)}\n\n".encode()

    def close(self) -> None:
        """Watch no longer."""
        if self._watcher is not None:
            self._sandboxes.forget_watcher(self._name, self._watcher)

    def _signal(self, kind: str, position: int | None) -> bytes:
        return self._text(kind, position, orjson.dumps({"sandbox": self._name}))

    def _text(self, kind: str, position: int | None, data: bytes) -> bytes:
        line = "" if position is None else f"id: {self._id(position)}\n"
        return b"%sevent: %s\ndata: %s\n\n" % (line.encode(), kind.encode(), data)

    def _id(self, position: int) -> str:
        return f"{self._sandboxes.run}@{position}"


def _data(exchange: Exchange) -> bytes:
    """Return a journal's entry without headers and bodies, in JSON."""
    key = exchange[:3]
    data = _texts.get(key)
    if data is None:
        data = orjson.dumps(
            {_NAMES.get(name, name): value for name, value in brief(exchange).items() if value is not None}
        )
        if len(_texts) >= TEXTS_REMEMBERED:
            _texts.clear()
        # Only a few bytes for each: what a client sends may be long.
        if len(data) <= LONGEST_REMEMBERED:
            _texts[key] = data
    return data

"""Sends a stream to a client: at once when something happens, but not too often, and not more than it reads."""

from __future__ import annotations

import logging
from asyncio import TimerHandle
from collections.abc import Callable
from typing import TYPE_CHECKING

from simulator.http.wsgi import BEAT_SECONDS, PAUSE_SECONDS, Stream

if TYPE_CHECKING:
    from simulator.server.server import Server

logger = logging.getLogger("simulator.server")

MOST_STREAMS = 100
"""How many streams may be open."""


class Streaming:
    """One open stream. `send` writes bytes to the client, `end` closes its connection.

    While the client does not read what was sent, nothing more is read: the stream itself keeps its place, so nothing
    has to wait here. All methods run on the loop's thread.
    """

    def __init__(self, stream: Stream, server: Server, send: Callable[[bytes], None], end: Callable[[], None]) -> None:
        self._stream = stream
        self._server = server
        self._send, self._end = send, end
        now = server.time()
        self._ends_at = None if stream.seconds is None else now + stream.seconds
        self._read_at = self._sent_at = now
        self._timer: TimerHandle | None = None
        self._is_stalled = self._is_over = False

    def go_on(self) -> None:
        """Send what is new, and wait for more."""
        self._stop_timer()
        if self._is_over or self._is_stalled:
            return
        try:
            part, goes_on = self._stream.read(self._wake)
        except Exception:
            logger.exception("a stream failed")
            self._end()
            return
        self._read_at = now = self._server.time()
        is_late = self._ends_at is not None and now >= self._ends_at
        if not part and not is_late and now >= self._sent_at + BEAT_SECONDS:
            part = self._stream.beat()
        if part:
            self._sent_at = now
            self._send(part)
        if is_late or not goes_on:
            self._end()
        else:
            beat_at = self._sent_at + BEAT_SECONDS
            self._go_on_at(beat_at if self._ends_at is None else min(beat_at, self._ends_at))

    def stall(self) -> None:
        """The client does not read what was sent."""
        self._is_stalled = True

    def resume(self) -> None:
        """The client reads again."""
        self._is_stalled = False
        self.go_on()

    def close(self) -> None:
        """Send no more."""
        self._is_over = True
        self._stop_timer()
        self._stream.close()

    def _wake(self) -> None:
        """There is more to read. Called in any thread."""
        self._server.hand_over(self._woken)

    def _woken(self) -> None:
        if not (self._is_over or self._is_stalled):
            self._stop_timer()
            self._go_on_at(self._read_at + PAUSE_SECONDS)

    def _go_on_at(self, when: float) -> None:
        self._timer = self._server.call_at(when, self.go_on)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

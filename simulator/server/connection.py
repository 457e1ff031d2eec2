"""One connection of the server: takes requests, and sends their answers in the same order.

The module is long because it is one class: every step, from the first byte to the last, depends on the same state.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from simulator.http.errors import FAILED, OVERLOADED, kind_of_malformed
from simulator.http.responses import malformed
from simulator.http.wsgi import Background, ConnectionAborted, Delayed, Stream
from simulator.server.reading import NO_ROOM, Request, RequestReader, Unreadable
from simulator.server.streaming import MOST_STREAMS, Streaming

if TYPE_CHECKING:
    from simulator.server.server import Server

logger = logging.getLogger("simulator.server")

SLICE = 4096
"""How many bytes are parsed before their requests are answered. This keeps few pipelined requests in memory."""
MOST_AT_ONCE = 4
"""How many requests of a client are answered before other clients have their turn."""
MOST_UNSENT = 64 * 1024
"""If more bytes of answers wait to be sent, no further request is answered."""

DELAYED_BYTES = 8 * 1024
"""About how much memory a waiting call takes, besides its body."""

IDLE_SECONDS = 120
"""How long a connection stays open without a request."""
STALLED_SECONDS = 30
"""How long a client may read nothing of its answers."""
LINGER_SECONDS = 2
"""How long the rest of a refused request is still received, so that the client can read the refusal."""

WITHOUT_LENGTH = ("1", "204", "304")
"""The first characters of statuses whose answers have no `Content-Length`."""
NO_STREAM = f"{MOST_STREAMS} streams are open, and there may not be more: close one, or try again a little later"
"""Why a stream is refused if there are too many (S-10)."""

Outcome = bytes | Delayed | Background | Stream | None
"""What an application returns: a body, something to wait for, a stream, or `None` for no answer at all."""


class Connection(asyncio.Protocol):
    """Reads requests, calls the application and sends its answers. Each request waits for the answer before it.

    `since` is when the current phase began, by the server's clock. A phase is: a request arrives, there is no request,
    or the client does not read its answers.
    """

    def __init__(self, server: Server) -> None:
        self.since = server.now
        self._server = server
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)  # asyncio sets it first
        self._reader: RequestReader = cast(RequestReader, None)
        self._unread = b""
        self._out: list[bytes] = []
        self._unsent = 0
        self._held = 0
        self._held_unsent = 0
        self._in_progress = False
        self._due: float | None = None
        self._is_paused = False
        self._is_stalled = False
        self._stalled_at = 0
        self._is_ending = False
        self._is_lost = False
        self._has_ended = False
        self._owes_continue = False
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._streaming: Streaming | None = None

    # Called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client has connected."""
        self._transport = cast(asyncio.Transport, transport)
        environ = self._server.environ(transport.get_extra_info("peername"))
        self._reader = RequestReader(environ, self._server.largest_body, self._ask_for_body, self._hold)
        self._server.opened(self)

    def data_received(self, data: bytes) -> None:
        """The client has sent something."""
        # Nothing is answered after a stream.
        if self._is_ending or self._streaming is not None:
            return
        self._unread = self._unread + data if self._unread else data
        self.go_on()

    def eof_received(self) -> bool:
        """The client sends no more, but still gets its answers. A client that has hung up looks the same."""
        if self._streaming is not None:
            # The stream might never end, so the client is taken to have hung up. If not, it gets what is there.
            self.close()
            return False
        self._has_ended = True
        if self.flush():
            self.go_on()
        return not self._has_answered

    def pause_writing(self) -> None:
        """The client does not read what is sent."""
        self._is_stalled = True
        if self._streaming is not None:
            self._streaming.stall()
        self.since = self._server.now
        self._stalled_at = self._transport.get_write_buffer_size()
        if self._server.hold(self._stalled_at):
            self._held_unsent += self._stalled_at
        else:
            self.abort()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._release_unsent()
        self._is_stalled = False
        self.since = self._server.now
        if self._streaming is not None:
            self._streaming.resume()
        self.go_on()

    def connection_lost(self, _: Exception | None) -> None:
        """The connection is closed, by the client or the server."""
        self._is_lost = self._is_ending = True
        self._unread = b""
        self._out.clear()
        self._reader.end()
        # Python 3.11's own transport holds on to itself by this: only the garbage collector would find it.
        getattr(self._transport, "__dict__", {}).pop("_read_ready_cb", None)
        self._release_unsent()
        self._end_stream()
        if not self._in_progress:
            self._release()
        self._server.closed(self)

    # Called by the server

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do for the client."""
        return self._has_answered and not self._reader.is_reading

    @property
    def may_have_hung_up(self) -> bool:
        """Whether the client sends no more, and waits for a delayed answer. Sending it will show."""
        return self._has_ended and self._due is not None

    @property
    def _has_answered(self) -> bool:
        """Whether all requests that have arrived are answered."""
        return not (
            self._in_progress
            or self._out
            or self._unread
            or self._reader.requests
            or self._is_stalled
            or self._is_ending
        )

    def is_busy_until(self, end: float) -> bool:
        """Whether the client will get an answer before `end`, by the loop's clock."""
        return not self.is_idle and (self._due is None or self._due < end) and not self._reader.is_reading

    def close(self) -> None:
        """Send everything that was written, then close."""
        self._end_stream()
        self._is_ending = True
        self._unread = b""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def expire(self, now: float) -> None:
        """Close if the client's time is over. `now` is by the server's clock."""
        waited = now - self.since
        if self._is_stalled:
            size = self._transport.get_write_buffer_size()
            if size < self._stalled_at:
                self.since = now
            elif waited > STALLED_SECONDS:
                self.abort()
            # An answer that comes later makes it grow. That does not show that the client reads.
            self._stalled_at = size
        elif self._is_ending:
            if waited > LINGER_SECONDS:
                self.abort()
        elif not self._in_progress and waited > (
            self._server.request_seconds if self._reader.is_reading else IDLE_SECONDS
        ):
            self.close()

    def flush(self) -> bool:
        """Send everything that was written since the last flush. Returns whether to call `go_on` later."""
        if not self._out or self._is_lost:
            return False
        data = b"".join(self._out)
        self._out.clear()
        self._unsent = 0
        self._transport.write(data)
        return bool(self._unread or self._reader.requests or self._has_ended) and not self._is_stalled

    # Counting bytes

    def _hold(self, size: int) -> bool:
        """Count `size` bytes of a request, and return whether there is room for them."""
        has_room = self._server.hold(size)
        if has_room:
            self._held += size
        return has_room

    def _release(self) -> None:
        self._server.release(self._held)
        self._held = 0

    def _release_unsent(self) -> None:
        self._server.release(self._held_unsent)
        self._held_unsent = 0

    # From requests to answers

    def go_on(self) -> None:
        """Answer requests and read more, until the connection has to wait, or others have their turn."""
        requests, out = self._reader.requests, self._out
        while not (self._in_progress or self._is_ending or self._is_stalled):
            if len(out) >= MOST_AT_ONCE or self._unsent > MOST_UNSENT:
                # These answers must be sent before more requests are answered.
                break
            if requests:
                self._answer(requests.popleft())
            elif self._unread:
                if not self._reader.is_reading:
                    self.since = self._server.now
                data, self._unread = self._unread[:SLICE], self._unread[SLICE:]
                self._reader.feed(data)
            else:
                break
        if self._unread:
            self._is_paused = True
            self._transport.pause_reading()
        elif not self._is_ending:
            if self._is_paused:
                self._is_paused = False
                self._transport.resume_reading()
            if self._owes_continue:
                self._ask_for_body()
            if self._has_ended and self._has_answered:
                self._transport.close()

    def _ask_for_body(self) -> None:
        """Send `100 Continue`, unless an answer comes first."""
        self._owes_continue = self._in_progress or bool(self._reader.requests)
        if not self._owes_continue:
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _answer(self, request: Request | Unreadable) -> None:
        if isinstance(request, Unreadable):
            self._release()
            self._send({}, self._refuse(*request), keep_alive=False)
        else:
            self._take(request, self._run(self._server.app, request.environ, self._start_response))

    def _refuse(self, status: int, reason: str) -> bytes:
        """Start an answer of the server itself, and return its body."""
        reply, kind = malformed(status, reason), kind_of_malformed(status)
        # Refusals for lack of room happen very often, and a failure has its own line in the log.
        if kind not in (OVERLOADED, FAILED):
            logger.info("%d %s: %s", kind.status, kind.message, reason)
        self._start_response(f"{reply.status} {HTTPStatus(reply.status).phrase}", [*reply.fields])
        return reply.body

    def _start_response(self, status: str, headers: list[tuple[str, str]], *_: object) -> Any:
        self._status, self._headers = status, headers

    def _run(self, make: Callable[..., Iterable[bytes]], *arguments: Any) -> Outcome:
        """Call `make`, and return its outcome. Worker threads call this too."""
        try:
            answer = make(*arguments)
            if type(answer) is list:
                return b"".join(answer)
            if isinstance(answer, (Delayed, Background, Stream)):
                return answer
            body = b"".join(answer)
            if hasattr(answer, "close"):
                answer.close()
            return body
        except ConnectionAborted:
            return None
        except Exception:
            logger.exception("the application failed")
            return self._refuse(500, "")

    def _take(self, request: Request, outcome: Outcome) -> None:
        """Send an answer, or wait for it."""
        self._due = None
        if isinstance(outcome, Stream) and (self._is_lost or len(self._server.streams) >= MOST_STREAMS):
            outcome = self._refuse(503, NO_STREAM)
        if isinstance(outcome, (Delayed, Background, Stream)):
            self._in_progress = self._held >= DELAYED_BYTES or self._hold(DELAYED_BYTES)
            if self._in_progress:
                if isinstance(outcome, Stream):
                    self._open(request, outcome)
                else:
                    self._wait(request, outcome)
                return
            outcome = self._refuse(503, NO_ROOM)
        self._in_progress = False
        if self._held:
            self._release()
        if self._is_lost:
            # The call was carried out nevertheless, as on a slow server that does not notice a hang-up.
            pass
        elif outcome is None:
            self.close()
        else:
            self._send(request.environ, outcome, keep_alive=request.keep_alive and not self._server.is_stopping)

    def _open(self, request: Request, stream: Stream) -> None:
        """Send a stream until it ends or the client hangs up. Then the connection is closed."""
        self._unread = b""
        self._reader.requests.clear()
        if self._is_paused:
            # Otherwise a hang-up would not be seen.
            self._is_paused = False
            self._transport.resume_reading()
        lines = "".join([f"{name}: {value}\r\n" for name, value in self._headers])
        head = f"{request.environ['SERVER_PROTOCOL']} {self._status}\r\n{lines}Connection: close\r\n"
        self._write(f"{head}{self._server.last_lines}".encode("latin-1"))
        self._server.streams.add(self)
        self._streaming = Streaming(stream, self._server, self._write, self.close)
        # A client that sends no more gets what is there, once.
        if self._is_stalled and not self._has_ended:
            self._streaming.stall()
        self._streaming.go_on()
        if self._has_ended or self._server.is_stopping:
            self.close()

    def _end_stream(self) -> None:
        if self._streaming is not None:
            self._server.streams.discard(self)
            self._streaming.close()
            self._streaming = None
            self._in_progress = False

    def _wait(self, request: Request, outcome: Delayed | Background) -> None:
        if isinstance(outcome, Delayed):
            self._due = self._server.call_later(
                outcome.seconds, lambda: self._continue(request, self._run(outcome.resume))
            )
        else:
            self._server.workers.submit(outcome.key, partial(self._work, request, outcome))

    def _work(self, request: Request, background: Background) -> None:
        outcome = self._run(background.make)
        self._server.hand_over(partial(self._continue, request, outcome))

    def _continue(self, request: Request, outcome: Outcome) -> None:
        self._take(request, outcome)
        if not self._is_lost:
            self.go_on()

    def _send(self, environ: dict[str, Any], body: bytes, *, keep_alive: bool) -> None:
        """Write an answer. If the body is shorter than its `Content-Length`, close the connection after it."""
        protocol = environ.get("SERVER_PROTOCOL", "HTTP/1.1")
        lines, announced = "", None
        for name, value in self._headers:
            lines += f"{name}: {value}\r\n"
            if name == "Content-Length":
                announced = value
        size = str(len(body))
        if announced is None and not self._status.startswith(WITHOUT_LENGTH):
            lines += f"Content-Length: {size}\r\n"
        if environ.get("REQUEST_METHOD") == "HEAD":
            body = b""
        elif announced not in (None, size):
            keep_alive = False
        if not keep_alive:
            lines += "Connection: close\r\n"
        elif protocol == "HTTP/1.0":
            lines += "Connection: Keep-Alive\r\n"
        self._write(f"{protocol} {self._status}\r\n{lines}{self._server.last_lines}".encode("latin-1") + body)
        self.since = self._server.now
        if not keep_alive:
            self._end(linger=not environ)

    def _write(self, data: bytes) -> None:
        if not self._out:
            self._server.flush_soon(self)
        self._out.append(data)
        self._unsent += len(data)

    def _end(self, *, linger: bool) -> None:
        """Close after sending. With `linger`, a client that is still sending has time to read the answer."""
        self._is_ending = True
        self._unread = b""
        self.flush()
        if linger and not self._has_ended:
            self._transport.write_eof()
        else:
            self._transport.close()

"""The server that runs the WSGI application: asyncio on one thread of this process.

The class is long because all that connections share is here: the loop, its clock, the bytes in transit, and the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from simulator.http.wsgi import ONE_BY_ONE
from simulator.server.connection import Connection
from simulator.server.listening import Listener
from simulator.server.reading import NO_ROOM
from simulator.server.workers import Workers
from simulator.settings import DEFAULTS, is_every_address

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

logger = logging.getLogger("simulator.server")

GRACE_SECONDS = 0.8
"""How long requests in flight may still take when the server stops."""

NAME = "apio-simulator"
MOST_IN_A_TURN = 4
"""How many clients that sent many requests at once are answered again before other clients have their turn."""
WORKERS = 4
"""How many long calls are carried out at a time."""
TICK_SECONDS = 1.0
"""How often the server looks for clients whose time is over."""
GLANCE_SECONDS = 0.005
"""How often a stopping server checks whether everything is sent."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Returns a new loop: uvloop's if that is installed, because it is faster, or else Python's own."""
    try:
        import uvloop
    except ImportError:
        # The default loop of Windows cannot watch our sockets.
        return asyncio.SelectorEventLoop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class Server:
    """Serves an application at an address of this machine. `port` 0 means a free port.

    A body may have `largest_body` bytes, and a request may take `request_seconds` from its first byte to its last.

    The application is called on the thread of the loop, and must not wait there: if it has to wait or takes long, it
    returns `Delayed` or `Background`. `transfer_limit` is how many bytes may be in transit at a time. In transit are
    bodies until they are answered, waiting calls, and answers that their clients do not read (S-10). Raises
    `AddressUnavailable` if the server cannot listen there. There is only one process, because the state is in memory.
    """

    def __init__(
        self,
        app: WSGIApplication,
        host: str = "127.0.0.1",
        port: int = 0,
        largest_body: int = DEFAULTS.largest_body,
        request_seconds: int = DEFAULTS.request_seconds,
        event_loop: Callable[[], asyncio.AbstractEventLoop] = new_event_loop,
        transfer_limit: int = DEFAULTS.transfer_limit,
    ) -> None:
        self.listener = Listener(host, port, lambda: Connection(self), self._make_room)
        self.host, self.port = self.listener.host, self.listener.port
        self._given_host = host
        self.app = app
        self.largest_body = largest_body
        self.request_seconds = request_seconds
        self._transfer_limit = transfer_limit
        self.on_its_way = 0
        self._has_said_no_room = False
        self._connections: set[Connection] = set()
        self.streams: set[Connection] = set()
        self.is_stopping = False
        self._loop = event_loop()
        self.workers = Workers(WORKERS, self.hand_over)
        self._environ = {
            "SCRIPT_NAME": "",
            "SERVER_NAME": self.host,
            "SERVER_PORT": str(self.port),
            "SERVER_SOFTWARE": NAME,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }
        self._timers: set[asyncio.TimerHandle] = set()
        self._to_flush: list[Connection] = []
        self._in_line: dict[Connection, None] = {}
        self._stopping = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="apio-simulator", daemon=True)

    @property
    def url(self) -> str:
        """The server's URL."""
        return _url(self.host, self.port)

    @property
    def local_url(self) -> str:
        """The URL at which this machine reaches the server, also its control interface.

        It has the host that the server was given, or the loopback if the server listens at every address (S-2).
        """
        loopback = "::1" if ":" in self.host else "127.0.0.1"
        return _url(loopback if is_every_address(self.host) else self._given_host, self.port)

    @property
    def delayed(self) -> int:
        """How many delayed requests are waiting."""
        return len(self._timers)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def start(self) -> None:
        """Start to serve."""
        self._tick()
        self._listen()
        self._thread.start()

    def stop(self) -> None:
        """Stop listening, answer requests in flight for at most `GRACE_SECONDS`, and end. May be called again."""
        with self._stopping:
            if self.is_stopping:
                return
            self.is_stopping = True
            if self._thread.is_alive():
                self.hand_over(self._wind_up)
                self._thread.join(2 * GRACE_SECONDS)
            else:
                self.listener.close(self._loop)
                self._loop.close()

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_forever()
        self.workers.stop()

    # Called by connections

    def environ(self, client: Any) -> dict[str, Any]:
        """Returns the WSGI variables that all requests of a client share. `client` is its address, if known."""
        host, port = client[:2] if client else ("", "")
        return {**self._environ, "REMOTE_ADDR": host, "REMOTE_PORT": str(port)}

    def call_later(self, seconds: float, work: Callable[[], object]) -> float:
        """Do `work` after some seconds. Returns when that is, by the loop's clock."""

        def run() -> None:
            self._timers.discard(timer)
            work()

        timer = self._loop.call_later(seconds, run)
        self._timers.add(timer)
        return timer.when()

    def time(self) -> float:
        """Returns the loop's clock, in seconds."""
        return self._loop.time()

    def call_at(self, when: float, work: Callable[[], object]) -> asyncio.TimerHandle:
        """Do `work` at a time of the loop's clock. When the server stops, it does not wait for this."""
        return self._loop.call_at(when, work)

    def hand_over(self, work: Callable[[], object]) -> None:
        """Do `work` on the loop's thread, unless the loop has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(work)

    def carry_out(self, job: Callable[[], object]) -> None:
        """Do a long job in a worker thread, but not beside calls with a large body. The job must not raise."""
        self.hand_over(partial(self.workers.submit, ONE_BY_ONE, job))

    def hold(self, size: int) -> bool:
        """Count `size` more bytes in transit if there is room, and return whether there is. Logs the first failure."""
        if self.on_its_way + size <= self._transfer_limit:
            self.on_its_way += size
            return True
        if not self._has_said_no_room:
            self._has_said_no_room = True
            logger.warning("a request was refused with 503, or a connection closed: %s", NO_ROOM)
        return False

    def release(self, size: int) -> None:
        """Count `size` bytes less in transit."""
        self.on_its_way -= size

    def flush_soon(self, connection: Connection) -> None:
        """Send what a connection wrote, at the end of this turn of the loop: each system call wakes up a client."""
        if not self._to_flush:
            self._loop.call_soon(self._flush)
        self._to_flush.append(connection)

    def _flush(self) -> None:
        connections, self._to_flush = self._to_flush, []
        for connection in connections:
            if connection.flush():
                self._in_line[connection] = None
        for connection in list(islice(self._in_line, MOST_IN_A_TURN)):
            del self._in_line[connection]
            connection.go_on()
        if self._in_line and not self._to_flush:
            self._loop.call_soon(self._flush)

    def opened(self, connection: Connection) -> None:
        """A connection was opened."""
        self._connections.add(connection)

    def closed(self, connection: Connection) -> None:
        """A connection was closed, so there is room for another one."""
        self._connections.discard(connection)
        self.listener.client_left()
        self._listen()

    def _listen(self) -> None:
        if not self.is_stopping:
            self.listener.listen(self._loop)

    def _make_room(self) -> bool:
        """Close the longest idle connection, or one whose client may have hung up. Returns whether there was one."""
        closable = (each for each in self._connections if each.is_idle or each.may_have_hung_up)
        first = min(closable, key=lambda each: (not each.is_idle, each.since), default=None)
        if first is not None:
            first.close()
        return first is not None

    def _tick(self) -> None:
        """Every second, set the clock and close connections whose time is over."""
        self.now = self._loop.time()
        self.last_lines = f"Date: {formatdate(usegmt=True)}\r\nServer: {NAME}\r\n\r\n"
        for connection in list(self._connections):
            connection.expire(self.now)
        if not self.is_stopping:
            self._listen()
            self._loop.call_later(TICK_SECONDS, self._tick)

    # Stopping

    def _wind_up(self) -> None:
        self.listener.close(self._loop)
        # After two turns of the loop, everything that arrived before is read.
        self._loop.call_soon(self._loop.call_soon, self._settle, self._loop.time() + GRACE_SECONDS)

    def _settle(self, end: float) -> None:
        """End the loop once all requests in flight are answered, or at `end`, by the loop's clock."""
        for connection in list(self._connections):
            if connection.is_idle or connection in self.streams:
                connection.close()
        is_busy = any(each.is_busy_until(end) for each in self._connections)
        if self._loop.time() < end and (is_busy or any(timer.when() < end for timer in self._timers)):
            self._loop.call_later(GLANCE_SECONDS, self._settle, end)
            return
        for connection in list(self._connections):
            connection.abort()
        self.listener.give_up_accepted()
        # The sockets are closed in the next turn.
        self._loop.call_soon(self._loop.call_soon, self._loop.stop)


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"

"""The server that runs the WSGI application: asyncio on one thread of this process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from email.utils import formatdate
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from simulator.server.connection import Connection
from simulator.server.reading import NO_ROOM
from simulator.server.workers import Workers, collect_in_pieces
from simulator.settings import DEFAULTS, is_every_address

try:
    import resource
except ImportError:  # Windows has no such limit.
    resource = None  # type: ignore[assignment]  # checked before use

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

logger = logging.getLogger("simulator.server")

GRACE_SECONDS = 0.8
"""How long requests in flight may still take when the server stops."""

SWITCH_SECONDS = 0.00005
"""How long a worker thread may compute before the loop's thread has its turn.

The loop's thread gives up its turn with each system call. With a hundred calls, it waits a hundred times as long.
"""

SIGNAL_SECONDS = 0.5
"""How long it may take until Ctrl-C is noticed on Windows."""

NAME = "apio-simulator"
LAST_PORT = 65_535
CONNECTIONS = 1_000 if hasattr(select, "poll") else 500
"""How many connections may be open at a time. Windows only has `select`, which watches at most 512."""
OTHER_FILES = 32
"""How many files stay free for other uses if the process may not open many."""
ACCEPTED_AT_ONCE = 20
"""How many new clients are accepted before other clients have their turn."""
MOST_IN_A_TURN = 4
"""How many clients that sent many requests at once are answered again before other clients have their turn."""
WORKERS = 4
"""How many long calls are carried out at a time."""
TICK_SECONDS = 1.0
"""How often the server looks for clients whose time is over."""
GLANCE_SECONDS = 0.005
"""How often a stopping server checks whether everything is sent."""


class AddressUnavailable(Exception):
    """The server cannot listen at the address."""


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
        self._listener = _listening_socket(host, port)
        self.host, self.port = self._listener.getsockname()[:2]
        self.app = app
        self.largest_body = largest_body
        self.request_seconds = request_seconds
        self._transfer_limit = transfer_limit
        self.on_its_way = 0
        self._has_said_no_room = False
        self._connections: set[Connection] = set()
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
        self._limit = _most_connections()
        self._open = 0
        self._is_accepting = False
        self._accepted: set[asyncio.Task[Any]] = set()
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
        """The URL at which this machine reaches the server, even if the server listens at every address."""
        loopback = "::1" if ":" in self.host else "127.0.0.1"
        return _url(loopback if is_every_address(self.host) else self.host, self.port)

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
                self._listener.close()
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

    def hand_over(self, work: Callable[[], object]) -> None:
        """Do `work` on the loop's thread, unless the loop has ended."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(work)

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
        self._open -= 1
        self._listen()

    # Accepting clients

    def _listen(self) -> None:
        if not self._is_accepting and not self.is_stopping:
            self._is_accepting = True
            self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        """Accept clients. If there is no room, they wait until another client leaves."""
        for number in range(ACCEPTED_AT_ONCE):
            if self._open >= self._limit:
                if number:
                    # If another client waits, the loop calls again. Only then is room made for it.
                    return
                if not self._make_room():
                    break
            try:
                client, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                # The process may open no more files. It tries again after the next second.
                break
            client.setblocking(False)
            # Python's loop does not set this, because the listening socket is ours. Without it, the second of two
            # answers waits up to 40 ms, until the client has acknowledged the first one.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open += 1
            task = self._loop.create_task(self._loop.connect_accepted_socket(lambda: Connection(self), client))
            self._accepted.add(task)
            task.add_done_callback(self._accepted.discard)
        else:
            return
        self._loop.remove_reader(self._listener)
        self._is_accepting = False

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
        self._loop.remove_reader(self._listener)
        # A forked process may hold the socket too, and keep it open without answering.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        # After two turns of the loop, everything that arrived before is read.
        self._loop.call_soon(self._loop.call_soon, self._settle, self._loop.time() + GRACE_SECONDS)

    def _settle(self, end: float) -> None:
        """End the loop once all requests in flight are answered, or at `end`, by the loop's clock."""
        for connection in list(self._connections):
            if connection.is_idle:
                connection.close()
        is_busy = any(each.is_busy_until(end) for each in self._connections)
        if self._loop.time() < end and (is_busy or any(timer.when() < end for timer in self._timers)):
            self._loop.call_later(GLANCE_SECONDS, self._settle, end)
            return
        for connection in list(self._connections):
            connection.abort()
        for task in self._accepted:
            task.cancel()
        # The sockets are closed in the next turn.
        self._loop.call_soon(self._loop.call_soon, self._loop.stop)


def run_until_stopped(server: Server, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or Ctrl-C. `ready` is called once the server answers."""
    # A threading.Event can deadlock if a signal handler sets it while `wait` begins. This queue is reentrant.
    stop: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stop.put(number))
    # The loop's thread should not wait long for a worker thread.
    sys.setswitchinterval(SWITCH_SECONDS)
    collect_in_pieces()
    server.start()
    ready()
    stopped = False
    while not stopped:
        # On Windows before Python 3.14, Ctrl-C does not interrupt a wait without a timeout.
        with contextlib.suppress(Empty):
            stop.get(timeout=SIGNAL_SECONDS)
            stopped = True
    server.stop()


def allow_files() -> None:
    """Raise the process's limit of open files to what a server's connections need, as far as allowed."""
    if resource is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = CONNECTIONS + OTHER_FILES
        if -1 < soft < needed:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed if hard < 0 else min(needed, hard), hard))


def _most_connections() -> int:
    """Returns how many connections the limit of open files allows."""
    if resource is None:
        return CONNECTIONS
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return CONNECTIONS if most < 0 else max(1, min(CONNECTIONS, most - OTHER_FILES))


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _listening_socket(host: str, port: int) -> socket.socket:
    if not 0 <= port <= LAST_PORT:
        raise AddressUnavailable(f"cannot listen at {host!r} port {port}: a port is a number from 0 to {LAST_PORT}")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server((str(address[0]), port), family=family, backlog=CONNECTIONS)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AddressUnavailable(f"cannot listen at {host!r} port {port}: {reason.partition(' (while')[0]}") from None
    listener.setblocking(False)
    return listener

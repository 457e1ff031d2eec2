"""The server that carries the WSGI application: waitress on a thread of this process."""

from __future__ import annotations

import contextlib
import logging
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import orjson
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask, WSGITask

from simulator.contract.operation import JSON
from simulator.http.errors import malformed_request
from simulator.http.visit import ConnectionAborted, Delayed
from simulator.settings import DEFAULTS, is_every_address

if TYPE_CHECKING:
    import asyncio

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger("simulator.server")
# That an answer is broken off, that a request waits for a thread or is given up when the grace is over, is no news.
_task_logger = logging.getLogger("simulator.server.tasks")
_task_logger.setLevel(logging.ERROR)
logging.getLogger("waitress.queue").setLevel(logging.ERROR)

GRACE_SECONDS = 0.8
"""How long requests in flight may take once the server is told to stop."""

SIGNAL_SECONDS = 0.5
"""How long Ctrl-C may go unnoticed on Windows."""

LAST_PORT = 65_535
THREADS = 4
CONNECTIONS = 1_000 if hasattr(select, "poll") else 500
"""How many connections are open at a time; Windows has `select` alone, which ends the server beyond 512."""


class AddressUnavailable(Exception):
    """The address cannot be listened at."""


class Server:
    """Serves an application at an address of this machine; `port` 0 becomes a free one.

    Raises `AddressUnavailable` if the address cannot be had. There is one process only: state in memory and two
    processes would be two worlds.
    """

    def __init__(
        self, app: WSGIApplication, host: str = "127.0.0.1", port: int = 0, largest_body: int = DEFAULTS.largest_body
    ) -> None:
        listener = _listening_socket(host, port)
        self.host, self.port = listener.getsockname()[:2]
        # Nothing goes to temporary files: there may be no place for them.
        server: Any = create_server(
            _parking(app),
            sockets=[listener],
            threads=THREADS,
            ident="apio-simulator",
            connection_limit=CONNECTIONS,
            # A connection is read on while its request is served, or waits: so it is noticed that a client hung up.
            channel_request_lookahead=1,
            asyncore_use_poll=True,
            max_request_body_size=largest_body,
            inbuf_overflow=2 * largest_body,
            outbuf_overflow=2 * largest_body,
        )
        server.channel_class = _Channel
        server.parking = self._parking = _Parking()
        server.task_dispatcher.logger = _task_logger
        self._server = server
        self._stopping = threading.Lock()
        self._stopped = False
        self._thread = threading.Thread(target=self._server.run, name="apio-simulator", daemon=True)

    @property
    def url(self) -> str:
        """The address as clients write it."""
        return _url(self.host, self.port)

    @property
    def local_url(self) -> str:
        """The address under which this machine reaches it, also where it listens at every address."""
        loopback = "::1" if ":" in self.host else "127.0.0.1"
        return _url(loopback if is_every_address(self.host) else self.host, self.port)

    @property
    def delayed(self) -> int:
        """How many requests wait for their time."""
        return len(self._parking.due())

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._channels())

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no longer, answer what is in flight, for `GRACE_SECONDS` at most, and end. Once is enough."""
        with self._stopping:
            if not self._stopped:
                self._stopped = True
                self._stop()

    def _stop(self) -> None:
        end = time.monotonic() + GRACE_SECONDS
        self._in_loop(self._close_listener)
        # The dispatcher cancels what waits for a thread once it is told to shut down.
        while time.monotonic() < end and (
            any(due < end for due in self._parking.due()) or self._server.task_dispatcher.queue
        ):
            time.sleep(0.005)
        self._server.task_dispatcher.shutdown(timeout=max(0.0, end - time.monotonic()))
        while time.monotonic() < end and any(each.total_outbufs_len for each in self._channels()):
            time.sleep(0.005)
        self._in_loop(self._close_connections)
        self._thread.join(GRACE_SECONDS)
        self._parking.close()
        if self._server.task_dispatcher.threads:
            threading.Thread(target=self._close_trigger, name="apio-simulator-end", daemon=True).start()
        else:
            self._close_trigger()

    def _close_trigger(self) -> None:
        """Close what wakes the loop up, once nobody is left whose waking up might reach another file of its number."""
        dispatcher = self._server.task_dispatcher
        with dispatcher.lock:
            while dispatcher.threads:
                dispatcher.thread_exit_cv.wait()
        self._server.trigger.close()

    def _close_listener(self) -> None:
        # A forked process may have the socket too, and keep it open without ever answering.
        with contextlib.suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)
        wasyncore.dispatcher.close(self._server)

    def _close_connections(self) -> None:
        """Close all of them, which ends the loop; what wakes the loop up stays open, for others may be about to."""
        self._server.trigger.del_channel()
        wasyncore.close_all(self._server._map)

    def _channels(self) -> list[Any]:
        return list(self._server.active_channels.values())

    def _in_loop(self, work: Callable[[], object]) -> None:
        self._server.trigger.pull_trigger(work)


class _JsonErrorTask(ErrorTask):
    """The answer to what is no HTTP request, in the shape of every error (G-8, G-16)."""

    def execute(self) -> None:
        request: Any = self.request
        error = request.error
        kind, said = malformed_request(error.code, error.body)
        body = orjson.dumps(said)
        logger.info("%d %s: %s", kind.status, kind.message, error.body)
        self.status = f"{kind.status} {HTTPStatus(kind.status).phrase}"
        self.response_headers = [("Content-Type", JSON)]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Parked(BaseException):
    """Takes a request off the thread that serves it, past everything that would treat it as a failure."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class _Parking:
    """Where delayed requests wait: timers on one loop, in a thread that starts with the first of them."""

    def __init__(self) -> None:
        self._due: dict[object, float] = {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def due(self) -> list[float]:
        """When those that wait go on, in seconds of the monotonic clock."""
        return list(self._due.values())

    def call_later(self, seconds: float, resume: Callable[[], object]) -> None:
        with self._lock:
            self._due[resume] = time.monotonic() + seconds
            if self._loop is None:
                # Most servers never delay anything, and would start later for it.
                import asyncio

                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_run, args=(self._loop,), name="apio-simulator-delays", daemon=True).start()
        self._loop.call_soon_threadsafe(self._loop.call_later, seconds, self._resume, resume)

    def close(self) -> None:
        """End the loop; who still waits is forgotten."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)

    def _resume(self, resume: Callable[[], object]) -> None:
        resume()
        del self._due[resume]


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


_DELAYED = "simulator.delayed"


def _parking(app: WSGIApplication) -> WSGIApplication:
    """The application, with answers that are delayed handed to the server instead of being waited for."""

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        delayed: Delayed | None = environ.pop(_DELAYED, None)
        answer = app(environ, start_response) if delayed is None else delayed.resume()
        if isinstance(answer, Delayed):
            environ[_DELAYED] = answer
            raise _Parked(answer.seconds)
        return answer

    return serve


class _Task(WSGITask):
    logger = _task_logger
    aborted = False

    def execute(self) -> None:
        try:
            super().execute()
        except ConnectionAborted:
            self.aborted = self.close_on_finish = True
        except _Parked:
            # It goes on with this very task, which knows the environment. Kept with the request and not with the
            # connection: the thread that served the request before may not be done with that one yet.
            request: Any = self.request
            request.parked = self
            raise

    def carry_out(self) -> None:
        """Do what was asked although the client has hung up while it waited: a slow server would not know either."""
        delayed: Delayed = self.get_environment()[_DELAYED]
        with contextlib.suppress(ConnectionAborted):
            delayed.resume()

    def finish(self) -> None:
        if not self.aborted:
            super().finish()

    def set_close_on_finish(self) -> None:
        # Waitress closes after every answer that states no length; a 204 has none to state.
        request: Any = self.request
        asked = request.headers.get("CONNECTION", "").lower()
        if not self.status.startswith("204") or self.version != "1.1" or asked == "close":
            super().set_close_on_finish()


class _Channel(HTTPChannel):
    error_task_class = _JsonErrorTask

    def task_class(self, channel: HTTPChannel, request: Any) -> _Task:  # type: ignore[override]  # called, never subclassed
        return vars(request).pop("parked", None) or _Task(channel, request)

    def service(self) -> None:
        parked: _Task | None = vars(self.requests[0]).get("parked")
        if parked is not None and not self.connected:
            parked.carry_out()
            return
        try:
            super().service()
        except _Parked as parking:
            server: Any = self.server
            server.parking.call_later(parking.seconds, lambda: server.add_task(self))


def run_until_stopped(server: Server, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or Ctrl-C; `ready` is called once the server answers."""
    # An event that is set while its own `wait` begins, as a signal can do, waits for itself; this queue is reentrant.
    stop: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stop.put(number))
    server.start()
    ready()
    stopped = False
    while not stopped:
        # An endless wait would keep Ctrl-C from the process on Windows, before Python 3.14.
        with contextlib.suppress(Empty):
            stop.get(timeout=SIGNAL_SECONDS)
            stopped = True
    server.stop()


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _listening_socket(host: str, port: int) -> socket.socket:
    if not 0 <= port <= LAST_PORT:
        raise AddressUnavailable(f"cannot listen at {host!r} port {port}: a port is a number from 0 to {LAST_PORT}")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server((str(address[0]), port), family=family, backlog=CONNECTIONS)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AddressUnavailable(f"cannot listen at {host!r} port {port}: {reason.partition(' (while')[0]}") from None

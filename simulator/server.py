"""The servers that carry the WSGI application, and the log they write.

`serve` runs the command line's server: granian, or waitress where granian cannot be imported. `ThreadedServer` is
waitress on a thread of the present process, for tests and for that case.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection, parent_process
from typing import TYPE_CHECKING, Any

import orjson
from waitress import wasyncore
from waitress.server import create_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

GRACE_SECONDS = 0.8
"""How long requests in flight may take once the server is told to stop."""

THREADS = 4


class PortInUse(Exception):
    """The address cannot be listened at."""


class _TextFormatter(logging.Formatter):
    """One line a record, with the level where it is not the usual one."""

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname} "
        self._style._fmt = f"%(asctime)s {level}%(message)s"
        return super().format(record)


class _JsonFormatter(logging.Formatter):
    """One JSON object a record; a request's facts are attributes of their own."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {"time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"), "level": record.levelname}
        fields |= getattr(record, "fields", None) or {"message": record.getMessage()}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(fields).decode()


def configure_logging(log_format: str) -> None:
    """Send the simulator's log to standard error, as `text` or as `json`."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter(datefmt="%H:%M:%S"))
    root = logging.getLogger("simulator")
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False
    # Waitress reports every request that has to wait for a thread.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


def reserve(host: str, port: int) -> tuple[str, int]:
    """The numeric address and the port to listen at, a free one for 0. Raises `PortInUse` if it cannot be had.

    Granian's socket would share a busy port with another granian, and each would get half of the requests.
    """
    with _listening_socket(host, port) as probe:
        address = probe.getsockname()
        return str(address[0]), int(address[1])


def _listening_socket(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=1024)
    except OSError as error:
        raise PortInUse(f"cannot listen at {host} port {port}: {error.strerror or error}") from None


@dataclass
class Loader:
    """Hands the application to granian's worker and reports `ready` once that listens.

    Where the worker is a fork, it inherits the application; where it is spawned, it builds its own.
    """

    build: Callable[[], WSGIApplication]
    ready: Callable[[], None]
    log_format: str
    host: str
    port: int
    app: WSGIApplication | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "app": None}

    def __call__(self) -> WSGIApplication:
        """Called by granian in the worker, just before it listens."""
        configure_logging(self.log_format)
        threading.Thread(target=self._announce, daemon=True).start()
        threading.Thread(target=_end_with_parent, daemon=True).start()
        return self.app or self.build()

    def _announce(self) -> None:
        while True:
            try:
                socket.create_connection((reachable(self.host), self.port), timeout=1).close()
            except OSError:
                time.sleep(0.005)
            else:
                return self.ready()


def reachable(host: str) -> str:
    """An address of this machine at which a server that listens at `host` is reached."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - looked up, not bound


def serve(loader: Loader) -> None:
    """Serve until SIGTERM or Ctrl-C, then answer what is in flight and return within a second."""
    try:
        from granian import Granian
        from granian.constants import Interfaces
    except ImportError:
        serve_threaded(loader)
        return
    server = Granian(
        "simulator",
        address=loader.host,
        port=loader.port,
        interface=Interfaces.WSGI,
        # A second worker would be a second universe.
        workers=1,
        blocking_threads=THREADS,
        websockets=False,
        log_enabled=False,
        workers_kill_timeout=1,
    )
    server.serve(target_loader=loader, wrap_loader=False)


def serve_threaded(loader: Loader) -> None:
    """What `serve` does, on waitress in this process."""
    configure_logging(loader.log_format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = ThreadedServer(loader.app or loader.build(), loader.host, loader.port)
    server.start()
    loader.ready()
    stop.wait()
    server.stop()


class ThreadedServer:
    """Waitress on a thread of this process; `port` 0 becomes a free one."""

    def __init__(self, app: WSGIApplication, host: str = "127.0.0.1", port: int = 0) -> None:
        listener = _listening_socket(host, port)
        self.port = int(listener.getsockname()[1])
        self._server: Any = create_server(app, sockets=[listener], threads=THREADS, ident="apio-simulator")
        self._thread = threading.Thread(target=self._server.run, name="apio-simulator", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer what is in flight, for `GRACE_SECONDS` at most, and close."""
        end = time.monotonic() + GRACE_SECONDS
        self._server.task_dispatcher.shutdown(timeout=GRACE_SECONDS)
        while time.monotonic() < end and any(each.total_outbufs_len for each in self._channels()):
            time.sleep(0.005)
        wasyncore.close_all(self._server._map)
        self._thread.join(GRACE_SECONDS)

    def _channels(self) -> list[Any]:
        return list(self._server.active_channels.values())


def _end_with_parent() -> None:
    """Stop the worker when granian's main process is gone: killed, it could not stop it itself."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

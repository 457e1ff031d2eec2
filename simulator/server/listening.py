"""Listens at an address, and accepts the clients that come."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from simulator.server.process import CONNECTIONS, most_connections

LAST_PORT = 65_535
ACCEPTED_AT_ONCE = 20
"""How many new clients are accepted before other clients have their turn."""


class AddressUnavailable(Exception):
    """The server cannot listen at the address."""


class Listener:
    """Accepts clients at an address. If there is no room, they wait until another client leaves.

    `connect` returns the protocol for a new client. `make_room` closes a connection that can be spared, and returns
    whether there was one. `limit` is how many connections may be open. Raises `AddressUnavailable`.
    """

    def __init__(
        self, host: str, port: int, connect: Callable[[], asyncio.Protocol], make_room: Callable[[], bool]
    ) -> None:
        self._socket = _listening_socket(host, port)
        self.host, self.port = self._socket.getsockname()[:2]
        self.limit = most_connections()
        self._connect = connect
        self._make_room = make_room
        self._open = 0
        self._is_accepting = False
        self._accepted: set[asyncio.Task[Any]] = set()

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the loop accept clients, unless it does already."""
        if not self._is_accepting:
            self._is_accepting = True
            loop.add_reader(self._socket, self._accept, loop)

    def _accept(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in range(ACCEPTED_AT_ONCE):
            if self._open >= self.limit:
                if number:
                    # If another client waits, the loop calls again. Only then is room made for it.
                    return
                if not self._make_room():
                    break
            try:
                client, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                # Nobody waits, or the client has gone already: Windows reports that as a reset.
                return
            except OSError:
                # The process may open no more files. It tries again after the next second.
                break
            client.setblocking(False)
            # Python's loop does not set this, because the listening socket is ours. Without it, the second of two
            # answers waits up to 40 ms, until the client has acknowledged the first one.
            # If the client has gone already, macOS refuses it. Reading will show that.
            with contextlib.suppress(OSError):
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open += 1
            task = loop.create_task(loop.connect_accepted_socket(self._connect, client))
            self._accepted.add(task)
            task.add_done_callback(self._accepted.discard)
        else:
            return
        loop.remove_reader(self._socket)
        self._is_accepting = False

    def client_left(self) -> None:
        """A connection was closed, so there is room for another one."""
        self._open -= 1

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Accept no more clients, and free the address."""
        loop.remove_reader(self._socket)
        # A forked process may hold the socket too, and keep it open without answering.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def give_up_accepted(self) -> None:
        """Drop clients that were accepted, but have no connection yet."""
        for task in self._accepted:
            task.cancel()


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

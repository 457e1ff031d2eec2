"""The address of a laboratory, and one exchange with it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

from simulator.lab.exchange import LabAnswer, LabRequest

MOST_BYTES = 16 * 1024 * 1024
"""How large an answer may be."""
CHUNK = 64 * 1024


class Address:
    """Where a laboratory is. Raises `ValueError`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.username
            or parts.query
            or parts.fragment
        ):
            raise ValueError(f"{url!r} is no address; write it like https://lab.example.com")
        self.is_secure = parts.scheme == "https"
        self.host: str = parts.hostname
        self.port = parts.port
        self.base = parts.path.rstrip("/")
        self.url = f"{parts.scheme}://{parts.netloc.lower()}{self.base}"

    def exchange(self, request: LabRequest, headers: Mapping[str, str], timeout: float) -> LabAnswer:
        """Send a request over a connection of its own, so that it is never sent twice. Redirects are not followed.

        Raises `OSError`, `HTTPException` or `ValueError`, also if the whole answer is not there in time.
        """
        connection = (
            HTTPSConnection(self.host, self.port, timeout=timeout, context=ssl.create_default_context())
            if self.is_secure
            else HTTPConnection(self.host, self.port, timeout=timeout)
        )
        # The connection's own timeout begins anew with each byte that arrives.
        with closing(connection), _ended_after(timeout, connection):
            connection.request(
                request.method, self.base + request.target, request.body, {**headers, "Connection": "close"}
            )
            response = connection.getresponse()
            body = _body(response)
        return LabAnswer(
            status=response.status,
            headers={name.lower(): value for name, value in response.getheaders()},
            body=body,
        )


@contextmanager
def _ended_after(seconds: float, connection: HTTPConnection) -> Iterator[None]:
    """Connect, and end the connection if the block takes longer. Raises `TimeoutError` then."""
    connection.connect()
    is_late = threading.Event()

    def end() -> None:
        is_late.set()
        # The other side may have ended it just now.
        with suppress(OSError):
            socket.socket.shutdown(connection_socket, socket.SHUT_RDWR)

    connection_socket = connection.sock
    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, HTTPException, ValueError):
        if not is_late.is_set():
            raise
    finally:
        timer.cancel()
    if is_late.is_set():
        raise TimeoutError("it took too long")


def _body(response: HTTPResponse) -> bytes:
    body = bytearray()
    while part := response.read1(CHUNK):
        body += part
        if len(body) > MOST_BYTES:
            raise OSError(f"it is larger than {MOST_BYTES} bytes")
    return bytes(body)

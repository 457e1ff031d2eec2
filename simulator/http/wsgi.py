"""What the server and the application tell each other beyond WSGI. Other WSGI servers also work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

ONE_BY_ONE = "/"
"""The key of long work that takes much memory, and is therefore done one at a time. No sandbox has this name."""
HEADER = "simulator.header"
"""The key of the environment with a small header, as pairs of a variable and its value. The server sets it."""
HEAD = "simulator.head"
"""The key of the environment with the bytes of the header and the request's first line.

The server sets it if these bytes tell everything about the request.
"""


class ConnectionAborted(Exception):
    """An injected fault wants the connection closed without an answer (S-6). The server does so."""


class Delayed:
    """An answer that begins after a number of seconds. Then `resume` makes it.

    Our server waits without occupying a thread. Other servers wait when they iterate.
    """

    def __init__(self, seconds: float, resume: Callable[[], Iterable[bytes]]) -> None:
        self.seconds = seconds
        self.resume = resume

    def __iter__(self) -> Iterator[bytes]:
        time.sleep(self.seconds)
        yield from self.resume()


class Background:
    """An answer that `make` makes, which may take long.

    Our server makes it in another thread, and answers other requests meanwhile. Answers with the same key are made one
    at a time. Other servers make the answer when they iterate.
    """

    def __init__(self, key: str, make: Callable[[], Iterable[bytes]]) -> None:
        self.key = key
        self.make = make

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.make())

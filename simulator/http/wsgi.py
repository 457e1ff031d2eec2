"""What the server and the application tell each other beyond WSGI. Other WSGI servers also work."""

from __future__ import annotations

import threading
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
BEAT_SECONDS = 15
"""After how long without anything else a stream shows that it is alive."""
PAUSE_SECONDS = 0.1
"""How long a stream pauses after it has sent something. What happens meanwhile is sent together."""


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


class Stream:
    """An answer that is sent bit by bit, while things happen.

    `read` returns the bytes that can be sent now, perhaps none, and whether the stream goes on. It does not wait. It is
    given a function that it calls once, in any thread, as soon as there may be more to read. `beat` returns bytes that
    show that the stream is alive. After `seconds` the stream ends. `close` frees what it holds, also before its end.

    Our server sends it without occupying a thread. Other servers wait when they iterate. Without `seconds` they wait
    for nothing: the stream then ends as soon as there is no more to read.
    """

    def __init__(
        self,
        read: Callable[[Callable[[], object]], tuple[bytes, bool]],
        beat: Callable[[], bytes],
        close: Callable[[], None],
        seconds: float | None,
    ) -> None:
        self.read = read
        self.beat = beat
        self.close = close
        self.seconds = seconds

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._parts()
        finally:
            self.close()

    def _parts(self) -> Iterator[bytes]:
        woken = threading.Event()
        end = time.monotonic() + (self.seconds or 0)
        goes_on = True
        while goes_on:
            woken.clear()
            part, goes_on = self.read(woken.set)
            if part:
                yield part
            left = end - time.monotonic()
            if self.seconds is None:
                goes_on = goes_on and woken.is_set()
            elif left <= 0:
                return
            elif goes_on and not woken.wait(min(left, BEAT_SECONDS)):
                yield self.beat()

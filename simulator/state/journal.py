"""The journal of a sandbox: the newest calls of the simulated API and their answers (S-7)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count, takewhile
from sys import getsizeof
from typing import NamedTuple

REQUEST_ID = "X-Simulator-Request-Id"
"""The header that gives each answer the id of its exchange. The journal's copy of the answer leaves it out."""
BODY_KEPT = 64 * 1024
"""How many bytes of a body are kept."""

_OVERHEAD = 800
"""About how many bytes an exchange takes besides its texts."""
_FIELD_OVERHEAD = 160
"""About how many bytes a header takes besides its text."""


class Message(NamedTuple):
    """A request or an answer, without its secrets.

    `size` is the length of the whole body, in bytes. `body` is the part that is kept; `cut` says whether some is
    missing. `header_size` is about how many bytes the headers take.
    """

    headers: tuple[tuple[str, str], ...]
    body: bytes
    size: int
    cut: bool = False
    header_size: int = 0


def size_of(headers: Iterable[tuple[str, str]]) -> int:
    """Return about how many bytes these headers take."""
    return sum([_FIELD_OVERHEAD + len(name) + len(value) for name, value in headers])


class Content(NamedTuple):
    """A request and its answer. A repeated call has an equal content.

    `operation_id` is `None` if no operation has this path and method. `status` and `response` are `None` if the
    connection was closed without an answer. `rule` is `None` if nothing was refused, and `explanation` is empty if
    there is nothing to explain. The answer rests on the assumed parts of the rules `assumed`. `ignored` names
    attributes and parameters that were sent and changed nothing (S-9). `suggestion` is an unknown name and the existing
    name that was probably meant, if a name of the path is unknown.
    """

    method: str
    path: str
    query: str
    operation_id: str | None
    account: str | None
    request: Message
    status: int | None
    response: Message | None
    rule: str | None
    assumed: tuple[str, ...]
    ignored: tuple[str, ...]
    explanation: str
    fault: str | None
    abort: str | None
    target: str = ""
    """The path as it was sent, percent-encoded. Empty if no part of it was encoded."""
    suggestion: tuple[str, str] | None = None

    @property
    def size(self) -> int:
        """About how many bytes the content takes."""
        size = _OVERHEAD + getsizeof(self.path) + len(self.query) + len(self.target) + getsizeof(self.explanation)
        if self.ignored:
            size += sum(map(getsizeof, self.ignored))
        if self.suggestion:
            size += sum(map(getsizeof, self.suggestion))
        for message in (self.request, self.response):
            if message is not None:
                size += len(message.body) + message.header_size
        return size


class Exchange(NamedTuple):
    """One call and its answer. `size` is the size of its content.

    `number` counts the calls of the server, and `id` contains it. `time` is in seconds since the epoch.
    """

    id: str
    number: int
    time: float
    seconds: float
    content: Content
    size: int


class Journal:
    """The newest exchanges: at most `limit` exchanges and `bytes_limit` bytes. The newest one may exceed the bytes.

    Each exchange gets the next of the `positions`. If journals share them, a later exchange has a higher position,
    whatever its journal. `position` is the last position given. Up to the position `forgotten`, exchanges are gone.
    """

    def __init__(self, limit: int, bytes_limit: int, positions: Iterator[int] | None = None) -> None:
        self.limit = limit
        self.bytes_limit = bytes_limit
        self.bytes = 0
        self._positions = positions or count(1)
        self.position = next(self._positions)
        self.forgotten = 0
        self._exchanges: deque[tuple[int, Exchange]] = deque()

    def record(self, exchange: Exchange) -> None:
        """Keep an exchange, and forget the oldest ones beyond the limits. Only one thread at a time may call this."""
        exchanges = self._exchanges
        self.position = position = next(self._positions)
        exchanges.append((position, exchange))
        self.bytes += exchange.size
        while len(exchanges) > self.limit or (self.bytes > self.bytes_limit and len(exchanges) > 1):
            self.forgotten, oldest = exchanges.popleft()
            self.bytes -= oldest.size

    def forget(self, size: int) -> int:
        """Forget the oldest exchanges until `size` bytes are freed, and return how many bytes were freed."""
        before = self.bytes
        while self._exchanges and before - self.bytes < size:
            self.forgotten, oldest = self._exchanges.popleft()
            self.bytes -= oldest.size
        return before - self.bytes

    def exchanges(self) -> list[Exchange]:
        """Return the exchanges, oldest first."""
        return [exchange for _, exchange in self._exchanges.copy()]

    def placed(self) -> list[tuple[int, Exchange]]:
        """Return the exchanges with their positions, in the order in which the calls ended."""
        return list(self._exchanges.copy())

    def newer(self, position: int) -> list[tuple[int, Exchange]]:
        """Return the exchanges after a position, with their positions. Nothing may be recorded meanwhile."""
        found = list(takewhile(lambda placed: placed[0] > position, reversed(self._exchanges)))
        found.reverse()
        return found

    def clear(self) -> None:
        """Forget all exchanges."""
        if self._exchanges:
            # A position of its own: a client that has seen all of them must hear of it too.
            self.position = self.forgotten = next(self._positions)
        self._exchanges.clear()
        self.bytes = 0

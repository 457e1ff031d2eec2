"""The journal of a sandbox: the newest calls of the simulated API and what came of them (S-7)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count
from typing import NamedTuple

REQUEST_ID = "X-Simulator-Request-Id"
"""The header of every answer that holds the id of its exchange; the message that is kept of it leaves it out."""
BODY_KEPT = 64 * 1024
"""How many bytes of a body are kept."""

_OVERHEAD = 800
"""About what an exchange takes besides its texts, in bytes."""
_FIELD_OVERHEAD = 160
"""About what a header takes besides its text, in bytes."""


class Message(NamedTuple):
    """A request or an answer, without its secrets; `body` is what is kept of `size` bytes, `cut` if that is less.

    `header_size` is about how many bytes its headers take.
    """

    headers: tuple[tuple[str, str], ...]
    body: bytes
    size: int
    cut: bool = False
    header_size: int = 0


def size_of(headers: Iterable[tuple[str, str]]) -> int:
    """About how many bytes it takes to keep these headers."""
    return sum([_FIELD_OVERHEAD + len(name) + len(value) for name, value in headers])


class Content(NamedTuple):
    """What was asked and what was answered. A call that is repeated has the same content again.

    There is no operation where path or method are no operation's, no answer where the connection was closed without
    one, no rule where nothing was refused, and an empty explanation where there is nothing to explain. `assumed` are
    the rules on whose assumed part the answer rests, `ignored` is what was sent and changed nothing (S-9).
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

    @property
    def size(self) -> int:
        """About how many bytes it takes to keep this."""
        size = _OVERHEAD + len(self.path) + len(self.query) + len(self.explanation)
        for message in (self.request, self.response):
            if message is not None:
                size += len(message.body) + message.header_size
        return size


class Exchange(NamedTuple):
    """One call and what came of it; `size` is that of its content.

    `number` counts the calls of the server, and `id` holds it; `time` is in seconds since the epoch.
    """

    id: str
    number: int
    time: float
    seconds: float
    content: Content
    size: int


class Journal:
    """The newest exchanges: `limit` of them at most, and `bytes_limit` bytes; the newest one is kept in any case.

    Each gets the next of the `positions`. Several journals may take them from the same ones: then those of a later
    journal are higher. `position` is the last one that was given.
    """

    def __init__(self, limit: int, bytes_limit: int, positions: Iterator[int] | None = None) -> None:
        self.limit = limit
        self.bytes_limit = bytes_limit
        self.bytes = 0
        self._positions = positions or count(1)
        self.position = next(self._positions)
        self._exchanges: deque[tuple[int, Exchange]] = deque()

    def record(self, exchange: Exchange) -> None:
        """Keep an exchange, and let go of the oldest ones beyond the limits. One thread at a time."""
        exchanges = self._exchanges
        self.position = position = next(self._positions)
        exchanges.append((position, exchange))
        self.bytes += exchange.size
        while len(exchanges) > self.limit or (self.bytes > self.bytes_limit and len(exchanges) > 1):
            self.bytes -= exchanges.popleft()[1].size

    def forget(self, size: int) -> int:
        """Let go of the oldest exchanges until they were of so many bytes, and say how many that were."""
        before = self.bytes
        while self._exchanges and before - self.bytes < size:
            self.bytes -= self._exchanges.popleft()[1].size
        return before - self.bytes

    def exchanges(self) -> list[Exchange]:
        """What is kept, oldest first."""
        return [exchange for _, exchange in self._exchanges.copy()]

    def placed(self) -> list[tuple[int, Exchange]]:
        """What is kept with its positions, in the order of these: that in which the calls ended."""
        return list(self._exchanges.copy())

    def clear(self) -> None:
        """Forget all exchanges."""
        self._exchanges.clear()
        self.bytes = 0

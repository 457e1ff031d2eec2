"""What the parts of this package know of the request at hand; it travels in the WSGI environment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from simulator.contract.operation import Notes, Operation
from simulator.errors import Refusal
from simulator.state.answers import Remembered
from simulator.state.faults import InjectedFault
from simulator.state.sandbox import ServerSandbox
from simulator.state.sandboxes import DEFAULT

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

VISIT = "simulator.visit"
HEADER = "simulator.header"
"""Where the server puts a small header, as pairs of a variable of the environment and its value."""
HEAD = "simulator.head"
"""Where the server puts the bytes of such a header with the request's first line, if they say all of the request."""
CONTROL = "/_simulator/"
"""Where the control interface begins."""
HEALTH = f"{CONTROL}health"
"""The one call of it that anybody may make, and that never takes long."""


class Visit:
    """One request on its way.

    `number` counts the requests of the server, and `id` holds it; `started` is in seconds of the performance counter,
    `asked` the whole path. `body` gives the bytes of the body or raises the refusal that reading them led to. The
    sandbox is there for calls of the operations of the simulated API, and for those of no operation if it was there
    before. Calls of the control interface find it themselves. Where the call `has_reserved` it, others wait for it.
    `remembered` is there where the answer was given before.
    """

    sandbox_name: str = DEFAULT
    sandbox: ServerSandbox | None = None
    body: Callable[[], bytes] = bytes
    operation: Operation | None = None
    account: str | None = None
    refusal: Refusal | None = None
    fault: InjectedFault | None = None
    assumed: tuple[str, ...] = ()
    remembered: Remembered | None = None
    preflight: bool = False
    is_control: bool = False
    has_reserved: bool = False

    def __init__(self, environ: WSGIEnvironment, run: str, number: int) -> None:
        self.environ = environ
        self.number = number
        self.id = f"{run}-{number}"
        self.started = time.perf_counter()
        self.asked: str = environ["PATH_INFO"]
        # Flask refuses every request whose Host header it dislikes; what the host is good for is looked at elsewhere.
        self.host: str = environ.pop("HTTP_HOST", "")
        self.notes = Notes()

    def refuse(self, refusal: Refusal) -> None:
        """Note why the request is refused.

        The refusal lets go of the frames that it came from. They hold this visit and all that the call worked with, as
        a large world; only the garbage collector would find them.
        """
        refusal.__traceback__ = refusal.__context__ = refusal.__cause__ = None
        self.refusal = refusal

    @property
    def rule(self) -> str | None:
        """The rule of the refusal, if the request was refused."""
        return self.refusal.faults[0].rule if self.refusal is not None else None

    @property
    def own_sandbox(self) -> ServerSandbox:
        """The sandbox of a call of an operation of the simulated API."""
        if self.sandbox is None:
            raise LookupError("only a call of an operation is sure to have a sandbox")
        return self.sandbox


def visit_of(environ: WSGIEnvironment) -> Visit:
    """The visit that the gateway began."""
    visit: Visit = environ[VISIT]
    return visit


class ConnectionAborted(Exception):
    """An injected fault wants the connection closed without an answer (S-6). The server does so."""


class Delayed:
    """An answer that begins after a number of seconds; `resume` then makes it.

    The server waits without holding a thread; any other one, which knows nothing of this, waits when it iterates.
    """

    def __init__(self, seconds: float, resume: Callable[[], Iterable[bytes]]) -> None:
        self.seconds = seconds
        self.resume = resume

    def __iter__(self) -> Iterator[bytes]:
        time.sleep(self.seconds)
        yield from self.resume()


class Background:
    """An answer that may take long to make; `make` makes it.

    The server has another thread make it, of those with the same key one at a time, and answers others meanwhile; any
    other server makes it when it iterates.
    """

    def __init__(self, key: str, make: Callable[[], Iterable[bytes]]) -> None:
        self.key = key
        self.make = make

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.make())

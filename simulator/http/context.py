"""The context of a request: what is known about it so far."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from simulator.contract.operation import Notes, Operation
from simulator.contract.profile import NO_PROFILE, Profile
from simulator.errors import Refusal
from simulator.http.request import Request
from simulator.http.wsgi import Stream
from simulator.state.answers import Remembered
from simulator.state.faults import InjectedFault
from simulator.state.sandbox import ServerSandbox

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

CONTEXT = "simulator.context"
_NONE: Mapping[str, str] = MappingProxyType({})


class RequestContext:
    """A request, and what is known about it so far.

    A call of an operation of the simulated API always has a sandbox. An undocumented call has one only if the sandbox
    already existed. A call of the control interface finds its sandbox itself. `account` is the name of the caller's
    account. `warning` says how a page may lose its session, or has lost it. If `has_reserved` is set, the call has
    reserved its sandbox, and others wait for it. `profile` is what the answer follows of a real system; the control
    interface follows nothing (S-14). `remembered` is the remembered answer that was given. `stream` is the answer if it
    is one that is sent bit by bit.
    """

    sandbox: ServerSandbox | None = None
    operation: Operation | None = None
    parameters: Mapping[str, str] = _NONE
    account: str | None = None
    warning: str | None = None
    refusal: Refusal | None = None
    fault: InjectedFault | None = None
    assumed: tuple[str, ...] = ()
    remembered: Remembered | None = None
    has_reserved: bool = False
    profile: Profile = NO_PROFILE
    stream: Stream | None = None

    def __init__(self, request: Request) -> None:
        self.request = request
        self.notes = Notes()

    def refuse(self, refusal: Refusal) -> None:
        """Note why the request is refused.

        This removes the stack frames from the refusal. They refer to this context and to everything that the call
        used, for example a large world. Only the garbage collector would free them.
        """
        refusal.__traceback__ = refusal.__context__ = refusal.__cause__ = None
        self.refusal = refusal

    @property
    def rule(self) -> str | None:
        """The rule of the refusal, if the request was refused or an injected fault answered it."""
        if self.fault is not None and self.fault.refuses:
            return "S-6"
        return self.refusal.faults[0].rule if self.refusal is not None else None

    @property
    def own_sandbox(self) -> ServerSandbox:
        """The sandbox of a call of an operation of the simulated API."""
        if self.sandbox is None:
            raise LookupError("only a call of an operation always has a sandbox")
        return self.sandbox


def context_of(environ: WSGIEnvironment) -> RequestContext:
    """Return the context that the gateway put into the environment of a request to Flask."""
    context: RequestContext = environ[CONTEXT]
    return context

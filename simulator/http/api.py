"""The simulated API: the way of a call from credentials to an answer, and to another world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from simulator.contract.contract import Contract
from simulator.contract.operation import Answer, Call
from simulator.directory import LEVELS, authorize
from simulator.http.auth import ANONYMOUS, authenticate
from simulator.http.routes import Routes, answered
from simulator.http.visit import current_sandbox, visit_of
from simulator.services.service import Handler
from simulator.state.sandbox import Moment
from simulator.state.world import Fork

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class Api:
    """Answers the operations of a contract with their handlers."""

    def __init__(self, contract: Contract, handlers: Mapping[str, Handler], *, credentials_required: bool) -> None:
        self.routes = Routes(contract, self.answer)
        self.handlers = handlers
        self.credentials_required = credentials_required

    def answer(self, call: Call, environ: WSGIEnvironment) -> Response:
        """Answer a call: credentials, scope, then the operation itself (A-7)."""
        operation, sandbox = call.operation, current_sandbox(environ)
        if operation.secured:
            directory = sandbox.moment.world.directory
            account = authenticate(environ, sandbox, directory, required=self.credentials_required)
            call.assume("A-6", when=account is ANONYMOUS)
            visit_of(environ).account = account.name
            if operation.minimum_right is not None:
                authorize(account, LEVELS[operation.minimum_right], call.path, directory)
        handler = self.handlers[operation.operation_id]
        headers: Mapping[str, str] = {}
        if operation.method == "GET":
            body = _read(call, handler, sandbox.moment, environ)
        else:
            with sandbox.transaction() as fork:
                view = handler(call, fork)
                answer = view if isinstance(view, Answer) else Answer(view, {})
                body, headers = operation.render(answer.view), answer.headers
        return answered(body, operation.success, headers)


def _read(call: Call, handler: Handler, moment: Moment, environ: WSGIEnvironment) -> bytes:
    """The answer to a GET, which depends on the call and the world alone and is remembered with that world."""
    operation = call.operation
    plain = operation.body is None or not environ.get("CONTENT_LENGTH", "").strip("0")
    key = (operation.operation_id, *call.path.values(), environ.get("QUERY_STRING") if operation.query else None)
    remembered = moment.answers.get(key) if plain else None
    if remembered is not None:
        body, assumed = remembered
        call.notes.assumed.update(dict.fromkeys(assumed))
        return body
    before = len(call.notes.assumed)
    body = operation.render(handler(call, Fork(moment.world)))
    if plain:
        moment.remember(key, (body, tuple(call.notes.assumed)[before:]))
    return body

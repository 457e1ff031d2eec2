"""The simulated API: checks credentials, runs the operation, and makes the answer and the next world."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.contract.contract import Contract
from simulator.contract.operation import Answer, Operation
from simulator.contract.profile import NO_PROFILE, Profile
from simulator.directory import LEVELS, authorize
from simulator.errors import InsufficientMemory
from simulator.http.auth import RequestCall, authenticate
from simulator.http.context import RequestContext
from simulator.http.responses import Reply, refused
from simulator.http.routes import Query, Routes
from simulator.services.service import Handler
from simulator.state.world import Fork


class Api:
    """Answers calls of a contract's operations with their handlers."""

    def __init__(
        self,
        contract: Contract,
        handlers: Mapping[str, Handler],
        *,
        credentials_required: bool,
        profile: Profile = NO_PROFILE,
    ) -> None:
        self.routes = Routes(contract, self.answer, accepts_no_slash=profile.choices.get("G-1") == "accept")
        self.handlers = handlers
        self.credentials_required = credentials_required
        self.existence_first = profile.choices.get("A-7") == "existence"

    def answer(
        self, context: RequestContext, operation: Operation, path: Mapping[str, str], query: Query, media: str
    ) -> Reply:
        """Answer a call: check credentials, then scope, then run the operation (A-7)."""
        request, sandbox, notes = context.request, context.own_sandbox, context.notes
        if operation.secured:
            directory = sandbox.version.world.directory
            account = authenticate(context, directory, required=self.credentials_required)
            context.account = account.name
            if self.existence_first:
                directory.check_exists(path)
            if operation.minimum_right is not None:
                authorize(account, LEVELS[operation.minimum_right], path, directory)
        is_read = operation.method == "GET"
        world = sandbox.version.world
        # The answer to a read depends on the call and the world only, and on the body if one may be sent.
        key = None
        if is_read and (operation.body is None or not request.may_have_body):
            documented = [pair for pair in query if pair[0] in operation.query] if query else ()
            key = (operation.operation_id, *path.values(), *documented)
            remembered = sandbox.answers.find(key, world)
            if remembered is not None:
                context.remembered = remembered
                known: tuple[Reply, Mapping[str, None]] = remembered.answer
                reply, assumed = known
                notes.assumed.update(assumed)
                return reply
        call = RequestCall(context, operation, path, query, media)
        handler = self.handlers[operation.operation_id]
        if not is_read:
            try:
                with sandbox.transaction() as fork:
                    view = handler(call, fork)
                    if isinstance(view, Answer):
                        return Reply(operation.success, operation.render(view.view), view.headers)
                    return Reply(operation.success, operation.render(view))
            except InsufficientMemory as refusal:
                # The contract documents no such answer: it says what the simulator cannot do, not the API.
                return refused(refusal, context)
        before = set(notes.assumed)
        fork = Fork(world)
        reply = Reply(operation.success, operation.render(handler(call, fork)))
        if key is not None:
            assumed = {rule: None for rule in notes.assumed if rule not in before}
            sandbox.answers.remember(key, (reply, assumed), len(reply.body), fork)
        return reply

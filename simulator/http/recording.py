"""What is kept of a call: its entry in the journal of its sandbox, and its place in the coverage."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

from simulator.errors import Refusal
from simulator.http.explanation import Explanations
from simulator.http.visit import Visit
from simulator.settings import Settings
from simulator.state.coverage import Counted
from simulator.state.journal import BODY_KEPT, Exchange, Message
from simulator.state.redaction import without_secret_attributes, without_secret_headers, without_secret_parameters

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Headers = list[tuple[str, str]]


class Recorder:
    """Records calls, without their secrets and with an explanation of what was refused (S-7, S-8)."""

    def __init__(self, explanations: Explanations, settings: Settings) -> None:
        self.explanations = explanations
        self.settings = settings

    def record(
        self, environ: WSGIEnvironment, visit: Visit, status: int | None, answer: tuple[Headers, bytes] | None
    ) -> None:
        """Put the call into the journal and the coverage of its sandbox."""
        if visit.sandbox is None:
            return
        path, method = path_text(environ["PATH_INFO"]), environ["REQUEST_METHOD"]
        operation_id = visit.operation.operation_id if visit.operation else None
        rule = "S-6" if visit.fault is not None else visit.rule
        counted = None
        if status is not None and not visit.preflight:
            counted = Counted(operation_id, method, path, status, rule)
        exchange = None
        if self.settings.journal_limit:
            seconds = time.perf_counter() - visit.started
            exchange = Exchange(
                id=visit.id,
                number=visit.number,
                time=time.time() - seconds,
                seconds=seconds,
                method=method,
                path=path,
                query=without_secret_parameters(environ.get("QUERY_STRING", "")),
                operation_id=operation_id,
                account=visit.account,
                request=_request_message(environ, visit),
                status=status,
                response=None if answer is None else _answer_message(visit, status, *answer),
                rule=rule,
                explanation=self._explanation(visit, path),
                fault=visit.fault.id if visit.fault is not None else None,
                abort=visit.fault.abort if visit.fault is not None else None,
            )
        visit.sandbox.record(exchange, counted)

    def _explanation(self, visit: Visit, path: str) -> str | None:
        if visit.fault is not None:
            return self.explanations.injected(visit.fault)
        if visit.refusal is not None:
            return self.explanations.refusal(visit.operation, path, visit.refusal)
        return None


def path_text(path: str) -> str:
    """A path of the WSGI environment as text."""
    return path.encode("latin-1").decode(errors="replace")


def _request_message(environ: WSGIEnvironment, visit: Visit) -> Message:
    headers = [
        (_header_name(name), value)
        for name, value in environ.items()
        if name.startswith("HTTP_") or (name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value)
    ]
    try:
        body = visit.body()
    except Refusal:
        body = b""
    return _message([("Host", visit.host), *headers] if visit.host else headers, body)


@lru_cache(maxsize=1_000)
def _header_name(variable: str) -> str:
    return variable.removeprefix("HTTP_").replace("_", "-").title()


def _message(headers: Headers, body: bytes) -> Message:
    kept = without_secret_attributes(body)[:BODY_KEPT] if body else body
    return Message(headers=without_secret_headers(headers), body=kept, size=len(body))


def _answer_message(visit: Visit, status: int | None, headers: Headers, body: bytes) -> Message:
    # No operation documents a secret in the body of its success, and nothing else gets past the contract.
    if visit.operation is not None and visit.fault is None and status == visit.operation.success:
        return Message(headers=without_secret_headers(headers), body=body[:BODY_KEPT], size=len(body))
    return _message(headers, body)

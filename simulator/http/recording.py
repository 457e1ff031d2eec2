"""What is kept of a call: its entry in the journal of its sandbox, and its place in the coverage."""

from __future__ import annotations

import time
from collections.abc import Collection
from itertools import islice
from typing import TYPE_CHECKING

from simulator.errors import Refusal
from simulator.http.explanation import Explanations
from simulator.http.visit import Visit
from simulator.settings import Settings
from simulator.state.coverage import Counted
from simulator.state.journal import BODY_KEPT, Exchange, Message
from simulator.state.redaction import (
    without_secret_attributes,
    without_secret_headers,
    without_secret_name,
    without_secret_parameters,
    without_secrets,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LONGEST_PATH = 300
"""How much of the path of an undocumented call the coverage keeps."""
LONGEST_METHOD = 40
LONGEST_NAME = 100
MOST_IGNORED = 20
"""How much of the names of what was ignored is kept, and how many of them."""
LONGEST_HEADER = 4_000
"""How much of a header's name and value the journal keeps."""

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
        path, method = without_secrets(path_text(environ["PATH_INFO"])), environ["REQUEST_METHOD"][:LONGEST_METHOD]
        operation_id = visit.operation.operation_id if visit.operation else None
        rule = "S-6" if visit.fault is not None and visit.fault.refuses else visit.rule
        names = islice(visit.notes.ignored, MOST_IGNORED)
        ignored = tuple(dict.fromkeys(without_secret_name(name)[:LONGEST_NAME] for name in names))
        counted = None
        if not visit.preflight:
            counted = Counted(operation_id, method, path[:LONGEST_PATH], status, rule, visit.assumed, ignored)
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
                assumed=visit.assumed,
                ignored=ignored,
                explanation=self._explanation(visit, path),
                fault=visit.fault.id if visit.fault is not None else None,
                abort=visit.fault.abort if visit.fault is not None else None,
            )
        visit.sandbox.record(exchange, counted)

    def _explanation(self, visit: Visit, path: str) -> str:
        sentences = [] if visit.fault is None else [self.explanations.injected(visit.fault)]
        if visit.refusal is not None:
            sentences.append(self.explanations.refusal(visit.operation, path, visit.refusal))
        return " ".join(sentences)


def path_text(path: str) -> str:
    """A path of the WSGI environment as text."""
    return path.encode("latin-1").decode(errors="replace")


def _request_message(environ: WSGIEnvironment, visit: Visit) -> Message:
    headers = [
        (_header_name(name[:LONGEST_HEADER]), value[:LONGEST_HEADER])
        for name, value in environ.items()
        if name.startswith("HTTP_") or (name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value)
    ]
    try:
        body = visit.body()
    except Refusal:
        body = b""
    public = visit.operation.public_attributes if visit.operation is not None else None
    announced = environ.get("CONTENT_LENGTH") or "0"
    size = len(body) or (int(announced) if announced.isdecimal() else 0)
    return _message([("Host", visit.host), *headers] if visit.host else headers, body, size, public)


def _header_name(variable: str) -> str:
    return variable.removeprefix("HTTP_").replace("_", "-").title()


def _message(headers: Headers, body: bytes, size: int, public: Collection[str] | None = None) -> Message:
    clean = without_secret_attributes(body, public) if body else body
    return Message(
        headers=without_secret_headers(headers), body=clean[:BODY_KEPT], size=size, cut=len(clean) > BODY_KEPT
    )


def _answer_message(visit: Visit, status: int | None, headers: Headers, body: bytes) -> Message:
    # No operation documents a secret in the body of its success, and nothing else gets past the contract.
    if visit.operation is None or visit.fault is not None or status != visit.operation.success:
        return _message(headers, body, len(body))
    kept = without_secret_headers(headers)
    return Message(headers=kept, body=body[:BODY_KEPT], size=len(body), cut=len(body) > BODY_KEPT)

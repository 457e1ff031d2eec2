"""What is kept of a call: its entry in the journal of its sandbox, its place in the coverage, its line in the log."""

from __future__ import annotations

import time
from collections.abc import Collection
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote

from simulator.errors import Refusal
from simulator.http.explanation import Explanations
from simulator.http.responses import Fields, Reply
from simulator.http.visit import HEADER, Visit
from simulator.log import LoggedRequest, RequestLog
from simulator.settings import Settings
from simulator.state.coverage import Counted
from simulator.state.journal import BODY_KEPT, Content, Exchange, Message, size_of
from simulator.state.redaction import (
    without_secret_attributes,
    without_secret_header,
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
SMALL_HEADER = 4_000
"""How many characters a header may have so that its form without secrets is remembered."""
LONGEST_REMEMBERED = 500
"""How many characters a path may have so that its form without secrets is remembered."""


Record = tuple[Content | None, Counted | None, int]
"""What the journal and the coverage keep of a call, and its size in the journal, in bytes."""


class Recorder:
    """Records calls, without their secrets and with an explanation of what was refused (S-7, S-8)."""

    def __init__(self, explanations: Explanations, settings: Settings, request_log: RequestLog) -> None:
        self.explanations = explanations
        self.settings = settings
        self._request_log = request_log

    def record(self, visit: Visit, reply: Reply | None, more: Fields = ()) -> Record | None:
        """Put the call into the journal and the coverage of its sandbox, and into the log.

        There is no reply where the connection is closed without one; `more` are headers that it has besides its own.
        Returns what is kept. The gateway reuses it when the same call comes again.
        """
        record = None
        if visit.sandbox is not None:
            record = self._made(visit, reply, more)
        self.keep(visit, None if reply is None else reply.status, record)
        return record

    def keep(self, visit: Visit, status: int | None, record: Record | None = None) -> None:
        """Put the call into the log, and its record, if there is one, into the journal and the coverage."""
        now, seconds = time.time(), time.perf_counter() - visit.started
        if record is not None:
            content, counted, size = record
            exchange = None
            if content is not None:
                exchange = Exchange(visit.id, visit.number, now - seconds, seconds, content, size)
            visit.own_sandbox.record(exchange, counted)
        if self.settings.log_requests:
            self._request_log(
                LoggedRequest(
                    now,
                    printable(visit.environ["REQUEST_METHOD"]),
                    shown_path(visit.asked)[1],
                    status,
                    seconds,
                    visit.rule,
                    None if visit.fault is None else visit.fault.id,
                    visit.sandbox_name,
                    visit.id,
                )
            )

    def _made(self, visit: Visit, reply: Reply | None, more: Fields) -> Record:
        environ, fault = visit.environ, visit.fault
        status, answer = (None, None) if reply is None else (reply.status, _answer_message(visit, reply, more))
        path, method = shown_path(environ["PATH_INFO"])[0], environ["REQUEST_METHOD"][:LONGEST_METHOD]
        operation_id = None if visit.operation is None else visit.operation.operation_id
        rule = "S-6" if fault is not None and fault.refuses else visit.rule
        ignored = _ignored(visit.notes.ignored) if visit.notes.ignored else ()
        counted = None
        if not visit.preflight:
            counted = Counted(operation_id, method, path[:LONGEST_PATH], status, rule, visit.assumed, ignored)
        content = None
        if self.settings.journal_limit:
            query = environ.get("QUERY_STRING")
            content = Content(
                method,
                path,
                without_secret_parameters(query) if query else "",
                operation_id,
                visit.account,
                _request_message(environ, visit),
                status,
                answer,
                rule,
                visit.assumed,
                ignored,
                "" if visit.refusal is None and fault is None else self._explanation(visit, path),
                fault.id if fault is not None else None,
                fault.abort if fault is not None else None,
            )
        return content, counted, 0 if content is None else content.size

    def _explanation(self, visit: Visit, path: str) -> str:
        sentences = [] if visit.fault is None else [self.explanations.injected(visit.fault)]
        if visit.refusal is not None:
            sentences.append(self.explanations.refusal(visit.operation, path, visit.refusal))
        return " ".join(sentences)


def shown_path(path: str) -> tuple[str, str]:
    """A path of the WSGI environment without secrets (S-7): as text, and for a line of text."""
    return (_shown_path if len(path) < LONGEST_REMEMBERED else _shown_path.__wrapped__)(path)


@lru_cache(maxsize=4_096)
def _shown_path(path: str) -> tuple[str, str]:
    text = without_secrets(path if path.isascii() else path.encode("latin-1").decode(errors="replace"))
    return text, printable(text)


def printable(text: str) -> str:
    """A path for a line of text: one line, whatever it holds."""
    return text if text.isprintable() and " " not in text else quote(text)


def _ignored(names: Collection[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(without_secret_name(name)[:LONGEST_NAME] for name in islice(names, MOST_IGNORED)))


def _request_message(environ: WSGIEnvironment, visit: Visit) -> Message:
    header = environ.get(HEADER)
    if header is not None:
        message = _without_body(header)
    else:
        fields = [("HTTP_HOST", visit.host)] if visit.host else []
        fields += [
            (name, value)
            for name, value in environ.items()
            if name.startswith("HTTP_") or (name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value)
        ]
        is_small = sum([len(name) + len(value) for name, value in fields]) < SMALL_HEADER
        message = (_without_body if is_small else _without_body.__wrapped__)(tuple(fields))
    try:
        body = visit.body()
    except Refusal:
        body = b""
    if body:
        public = visit.operation.public_attributes if visit.operation is not None else None
        return _message(message.headers, message.header_size, body, public)
    announced = environ.get("CONTENT_LENGTH") or "0"
    if announced == "0" or not announced.isdecimal():
        return message
    return message._replace(size=int(announced))


@lru_cache(maxsize=500)
def _without_body(fields: Fields) -> Message:
    """What is kept of a request with this header and no body; `fields` are variables of the WSGI environment."""
    shown = []
    for variable, value in fields:
        name = variable[:LONGEST_HEADER].removeprefix("HTTP_").replace("_", "-").title()
        shown.append((name, without_secret_header(name, value[:LONGEST_HEADER])))
    return Message(tuple(shown), b"", 0, False, size_of(shown))


def _answer_message(visit: Visit, reply: Reply, more: Fields) -> Message:
    if reply.kept is not None and not more:
        return reply.kept
    body, fields = reply.body, (*reply.fields, *more)
    is_small = sum([len(name) + len(value) for name, value in fields]) < SMALL_HEADER
    headers, size = (_clean_headers if is_small else _clean_headers.__wrapped__)(fields)
    # No operation documents a secret in the body of its success, and nothing else gets past the contract.
    if visit.operation is None or visit.fault is not None or reply.status != visit.operation.success:
        return _message(headers, size, body, None)
    message = Message(headers, body[:BODY_KEPT], len(body), len(body) > BODY_KEPT, size)
    if not more:
        reply.kept = message
    return message


@lru_cache(maxsize=500)
def _clean_headers(fields: Fields) -> tuple[Fields, int]:
    """The headers of an answer without their secrets, and about how many bytes it takes to keep them."""
    headers = tuple([(name, without_secret_header(name, value)) for name, value in fields])
    return headers, size_of(headers)


def _message(headers: Fields, header_size: int, body: bytes, public: Collection[str] | None) -> Message:
    clean = without_secret_attributes(body, public) if body else body
    return Message(headers, clean[:BODY_KEPT], len(body), len(clean) > BODY_KEPT, header_size)

"""Records a call: in the journal of its sandbox, in the coverage, and in the log."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Collection
from functools import lru_cache, partial
from http import HTTPStatus
from itertools import islice

from simulator.contract.operation import Operation
from simulator.errors import LONGEST_ASKED, Refusal
from simulator.http.context import RequestContext
from simulator.http.explanation import Explanations
from simulator.http.request import SMALL_HEADER, Header, Request, field_name, printable, shown_path
from simulator.http.responses import Fields, Reply
from simulator.log import LoggedRequest, RequestLog, log_request
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
from simulator.state.sandboxes import DEFAULT

logger = logging.getLogger("simulator.http")

MOST_WARNINGS = 100
"""How many different warnings the log gets. Each is written once: the same page calls again and again."""
LONGEST_PATH = 300
"""How many characters of an undocumented call's path the coverage keeps."""
LONGEST_METHOD = 40
LONGEST_NAME = 100
MOST_IGNORED = 20
"""How much of the names of what was ignored is kept, and how many of them."""
LONGEST_HEADER = 4_000
"""How much of a header's name and value the journal keeps."""

_ASKED_BY_BROWSERS = re.compile(
    r"/favicon\.ico|/robots\.txt|/apple-touch-icon(-[0-9]+x[0-9]+)?(-precomposed)?\.png"
    r"|/\.well-known/appspecific/com\.chrome\.devtools\.json"
)
"""Paths that browsers ask for by themselves when somebody looks at a page."""

Record = tuple[Content | None, Counted | None, int]
"""What the journal and the coverage keep of a call, and its size in the journal, in bytes."""


class Recorder:
    """Records calls without their secrets, and explains refusals (S-7, S-8).

    `request_log` logs a request. Without it, no request is logged.
    """

    def __init__(self, explanations: Explanations, settings: Settings, request_log: RequestLog | None) -> None:
        self.explanations = explanations
        self.settings = settings
        self._request_log = request_log if settings.log_requests else None
        self._routine_log = partial(log_request, level=logging.DEBUG) if settings.log_requests else None
        self._warned: set[str] = set()

    def record(self, context: RequestContext, reply: Reply | None, more: Fields = ()) -> Record | None:
        """Put the call into the journal and the coverage of its sandbox, and into the log.

        `reply` is `None` if the connection is closed without an answer. `more` are headers added to the answer. Returns
        what is kept. The gateway reuses it when the same call comes again. What a browser asks for by itself is no call
        (S-8), and neither is a browser that is led to the console (S-11).
        """
        is_led = reply is not None and reply.status == HTTPStatus.SEE_OTHER
        if context.operation is None and (is_led or _is_asked_by_browser(context.request)):
            self.keep(context, None if reply is None else reply.status, is_routine=True)
            return None
        record = None
        if context.warning is not None:
            self._warn(context.request, context.warning)
        if context.sandbox is not None:
            record = self._made(context, reply, more)
        self.keep(context, None if reply is None else reply.status, record)
        return record

    def keep(
        self, context: RequestContext, status: int | None, record: Record | None = None, *, is_routine: bool = False
    ) -> None:
        """Put the call into the log, and its record, if any, into the journal and the coverage.

        A routine call is only logged at the level `debug`.
        """
        request = context.request
        now, seconds = time.time(), time.perf_counter() - request.started
        if record is not None:
            content, counted, size = record
            exchange = None
            if content is not None:
                exchange = Exchange(request.id, request.number, now - seconds, seconds, content, size)
            context.own_sandbox.record(exchange, counted)
        log = self._routine_log if is_routine else self._request_log
        if log is not None:
            operation = context.operation
            log(
                LoggedRequest(
                    now,
                    printable(request.method),
                    shown_path(request.asked)[1],
                    status,
                    seconds,
                    context.rule,
                    None if context.fault is None else context.fault.id,
                    request.sandbox_name or DEFAULT,
                    request.id,
                    context.account,
                    None if operation is None else operation.operation_id,
                    None if context.refusal is None else partial(self._reasons, context.refusal, request.path),
                )
            )

    def _warn(self, request: Request, warning: str) -> None:
        """Write a warning to the log, unless it is there already, or too many others are (A-8)."""
        if self.settings.log_requests and warning not in self._warned and len(self._warned) < MOST_WARNINGS:
            self._warned.add(warning)
            logger.warning("%s %s: %s", request.method, shown_path(request.asked)[1], warning)

    def _reasons(self, refusal: Refusal, path: str) -> str:
        return self.explanations.reasons(shown_path(path)[0], refusal)

    def _made(self, context: RequestContext, reply: Reply | None, more: Fields) -> Record:
        request, fault = context.request, context.fault
        status, answer = (None, None) if reply is None else (reply.status, _answer_message(context, reply, more))
        path, method = shown_path(request.path)[0], request.method[:LONGEST_METHOD]
        operation_id = None if context.operation is None else context.operation.operation_id
        rule = context.rule
        ignored = _ignored(context.notes.ignored) if context.notes.ignored else ()
        counted = None
        if not request.is_preflight:
            counted_path = path[:LONGEST_PATH] if operation_id is None else ""
            counted = Counted(operation_id, method, counted_path, status, rule, context.assumed, ignored)
        content = None
        if self.settings.journal_limit:
            suggestion = None if context.refusal is None else _suggestion(context.refusal)
            query = request.query
            content = Content(
                method,
                path,
                without_secret_parameters(query) if query else "",
                operation_id,
                context.account,
                _request_message(request, context.operation),
                status,
                answer,
                rule,
                context.assumed,
                ignored,
                self._explanation(context, path),
                fault.id if fault is not None else None,
                fault.abort if fault is not None else None,
                shown_path(encoded)[0] if (encoded := request.encoded_path) else "",
                suggestion,
            )
        return content, counted, 0 if content is None else content.size

    def _explanation(self, context: RequestContext, path: str) -> str:
        fault, refusal, warning = context.fault, context.refusal, context.warning
        if fault is None and refusal is None and warning is None:
            return ""
        sentences = [] if fault is None else [self.explanations.injected(fault)]
        if refusal is not None:
            sentences.append(self.explanations.refusal(context.operation, path, refusal))
        if warning is not None:
            sentences.append(self.explanations.warning(warning))
        return " ".join(sentences)


def _is_asked_by_browser(request: Request) -> bool:
    return request.method == "GET" and _ASKED_BY_BROWSERS.fullmatch(request.asked) is not None


def _suggestion(refusal: Refusal) -> tuple[str, str] | None:
    """Return the unknown name that the path has, and the existing name that was probably meant."""
    fault = refusal.faults[0]
    if fault.asked is None or fault.pointer is not None:
        return None
    first = fault.narrowed()
    refusal.faults = (first, *refusal.faults[1:])
    return None if first.nearest is None else (without_secrets(fault.asked[:LONGEST_ASKED]), first.nearest)


def _ignored(names: Collection[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(without_secret_name(name)[:LONGEST_NAME] for name in islice(names, MOST_IGNORED)))


def _request_message(request: Request, operation: Operation | None) -> Message:
    header = request.header
    message = (_without_body if request.has_small_header else _without_body.__wrapped__)(header)
    try:
        body = request.body()
    except Refusal:
        body = b""
    if body:
        public = operation.public_attributes if operation is not None else None
        return _message(message.headers, message.header_size, body, public)
    announced = request.content_length
    return message._replace(size=announced) if announced else message


@lru_cache(maxsize=500)
def _without_body(header: Header) -> Message:
    """Return what is kept of a request with this header and no body."""
    shown = []
    for variable, value in header:
        name = field_name(variable[:LONGEST_HEADER])
        shown.append((name, without_secret_header(name, value[:LONGEST_HEADER])))
    return Message(tuple(shown), b"", 0, False, size_of(shown))


def _answer_message(context: RequestContext, reply: Reply, more: Fields) -> Message:
    if reply.kept is not None and not more:
        return reply.kept
    body, fields = reply.body, (*reply.fields, *more)
    # Only the added headers repeat text that a client sent.
    is_small = not more or sum([len(name) + len(value) for name, value in more]) < SMALL_HEADER
    headers, size = (_clean_headers if is_small else _clean_headers.__wrapped__)(fields)
    # No operation documents a secret in its success body, and the contract lets only documented attributes through.
    if context.operation is None or context.fault is not None or reply.status != context.operation.success:
        return _message(headers, size, body, None)
    message = Message(headers, body[:BODY_KEPT], len(body), len(body) > BODY_KEPT, size)
    if not more:
        reply.kept = message
    return message


@lru_cache(maxsize=500)
def _clean_headers(fields: Fields) -> tuple[Fields, int]:
    """Return an answer's headers without secrets, and about how many bytes they take."""
    headers = tuple([(name, without_secret_header(name, value)) for name, value in fields])
    return headers, size_of(headers)


def _message(headers: Fields, header_size: int, body: bytes, public: Collection[str] | None) -> Message:
    clean = without_secret_attributes(body, public) if body else body
    return Message(headers, clean[:BODY_KEPT], len(body), len(clean) > BODY_KEPT, header_size)

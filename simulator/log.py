"""The log on standard error, as text or JSON, one line for each record. A thread writes it, so nobody waits for it.

All messages, also those of libraries and of Python itself, become one line of printable characters, without secrets
(S-7). The module is long because one writer takes records and requests, and keeps their order.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple

import orjson

from simulator.reports.text import printable
from simulator.state.redaction import without_secrets

PAUSE_SECONDS = 0.02
"""How long lines are collected before they are written together."""
MOST_LINES = 20_000
"""How many lines may wait for a reader. Lines beyond that are dropped and counted."""
END_SECONDS = 0.5
"""How long the process waits at its end until the last lines are written."""
LONGEST_REASONS = 500
"""How many characters of a refusal's reasons a terminal shows."""

_COLOURS = {"2": 32, "4": 33, "5": 31}
"""The colours of statuses on a terminal, by the first digit: green, yellow and red."""

_requests = logging.getLogger("simulator.requests")
_python = logging.getLogger("simulator.python")


class LoggedRequest(NamedTuple):
    """What the log shows of a request. `status` is `None` if there was no answer, `account` if nobody was identified.

    `time` is when it was answered, in seconds since the epoch. `seconds` is how long the answer took. If the request
    was refused, `reasons` returns why, without secrets.
    """

    time: float
    method: str
    path: str
    status: int | None
    seconds: float
    rule: str | None
    fault: str | None
    sandbox: str
    id: str
    account: str | None = None
    operation_id: str | None = None
    reasons: Callable[[], str] | None = None

    @property
    def text(self) -> str:
        """The request as one line."""
        line = f"{self.method} {self.path} {self.status or 'closed'} {self.seconds * 1000:.2f} ms"
        if self.account is not None:
            line = f"{line} as {printable(self.account)}"
        return f"{line} fault {self.fault}" if self.fault else f"{line} {self.rule}" if self.rule else line

    @property
    def facts(self) -> dict[str, Any]:
        """The request as a JSON object, without the time. Names and values are those of its `JournalEntry`."""
        _, method, path, status, seconds, rule, fault, sandbox, request_id, account, operation_id, _ = self
        facts = {
            "id": request_id,
            "sandbox": sandbox,
            "operationId": operation_id,
            "method": method,
            "path": path.removeprefix(f"/_sandboxes/{sandbox}"),
            "status": status,
            # `round` takes four times as long.
            "durationMs": int(seconds * 1_000_000 + 0.5) / 1000,
            "account": account,
        }
        # Written out, because a loop would take as long as all the rest.
        if operation_id is None:
            del facts["operationId"]
        if status is None:
            del facts["status"]
        if account is None:
            del facts["account"]
        if rule is not None:
            facts["rule"] = rule
        if fault is not None:
            facts["fault"] = fault
        return facts


RequestLog = Callable[[LoggedRequest], object]


def log_request(request: LoggedRequest, level: int = logging.INFO) -> None:
    """Log a request with Python's logging, for programs that configure logging themselves."""
    if _requests.isEnabledFor(level):
        _requests.log(level, "%s", request.text, extra={"fields": request.facts})


def json_line(level: int, created: float | None = None, **fields: Any) -> str:
    """Returns a line of the log in JSON: time, level, and these fields. `created` is in seconds since the epoch."""
    moment = datetime.fromtimestamp(time.time() if created is None else created, UTC)
    stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = {"time": stamp, "level": logging.getLevelName(level), **fields}
    text = json.dumps(line, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(line)


class _TextFormatter(logging.Formatter):
    """Formats a record as one line, with its level unless that is INFO."""

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname} "
        said = printable(without_secrets(super().format(record)))
        return f"{self.formatTime(record, '%H:%M:%S')} {level}{said}"


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object. The facts of a request are separate attributes."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the record as one line."""
        fields = getattr(record, "fields", None) or {"message": without_secrets(record.getMessage())}
        if record.exc_info:
            fields = {**fields, "exception": without_secrets(self.formatException(record.exc_info))}
        return json_line(record.levelno, record.created, **fields)


class LogWriter(logging.Handler):
    """Writes log records and requests to a file descriptor, in their order. Requests do not go through a logger.

    Handing a line over never blocks: a thread writes the lines. If nobody reads them, lines are dropped and counted.
    The thread does nothing but write, since no client is answered while it computes. On a terminal, the text says why
    a request was refused.
    """

    def __init__(self, descriptor: int, log_format: str) -> None:
        super().__init__()
        is_json, is_terminal = log_format == "json", os.isatty(descriptor)
        self.setFormatter(JsonFormatter() if is_json else _TextFormatter())
        as_text = self._request_on_terminal if is_terminal else self._text_request
        self.request: RequestLog = self._json_request if is_json else as_text
        self._has_colours = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and os.name != "nt"
        self._moment, self._time = 0, ""
        self._descriptor = descriptor
        self._waiting: deque[str] = deque()
        self._dropped = self._told = 0
        self._has_lines = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._write, name="apio-simulator-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over a log record. A record that cannot be formatted becomes a line that says so."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001  # an argument's own text may fail in any way
            said = f"{record.name} says what cannot be formatted, at {record.pathname}:{record.lineno}"
            line = self._line(record.levelno, said, record.created)
        self._put(line)

    def close(self) -> None:
        """Write the last lines. Gives up after `END_SECONDS` if nobody reads them."""
        self._is_closed = True
        self._has_lines.set()
        self._thread.join(END_SECONDS)
        super().close()

    def _text_request(self, request: LoggedRequest) -> None:
        self._put(f"{self._second_of(request)} {request.text}")

    def _request_on_terminal(self, request: LoggedRequest) -> None:
        text, status = request.text, str(request.status)
        if status[0] in _COLOURS and self._has_colours:
            # Method and path contain no blank.
            text = text.replace(f" {status} ", f" \x1b[{_COLOURS[status[0]]}m{status}\x1b[0m ", 1)
        if request.reasons is not None:
            reasons = printable(request.reasons())
            text += f": {reasons if len(reasons) <= LONGEST_REASONS else f'{reasons[:LONGEST_REASONS]}…'}"
        self._put(f"{self._second_of(request)} {text}")

    def _json_request(self, request: LoggedRequest) -> None:
        if request.account is None or request.account.isprintable():
            facts = orjson.dumps(request.facts).decode()
            self._put(f'{{"time":"{self._millisecond_of(request)}","level":"INFO",{facts[1:]}')
        else:
            self._put(json_line(logging.INFO, request.time, **request.facts))

    def _second_of(self, request: LoggedRequest) -> str:
        second = int(request.time)
        if second != self._moment:
            self._moment, self._time = second, time.strftime("%H:%M:%S", time.localtime(second))
        return self._time

    def _millisecond_of(self, request: LoggedRequest) -> str:
        # Under load, many requests are answered in the same millisecond.
        millisecond = int(request.time * 1000)
        if millisecond != self._moment:
            second, rest = divmod(millisecond, 1000)
            text = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{rest:03d}Z"
            self._moment, self._time = millisecond, text
        return self._time

    def _line(self, level: int, message: str, created: float | None = None) -> str:
        made = {} if created is None else {"created": created}
        facts = {"levelno": level, "levelname": logging.getLevelName(level), "msg": message, **made}
        return self.format(logging.makeLogRecord(facts))

    def _put(self, line: str) -> None:
        if len(self._waiting) >= MOST_LINES:
            self._dropped += 1
            return
        self._waiting.append(line)
        if not self._has_lines.is_set():
            self._has_lines.set()

    def _write(self) -> None:
        while not self._is_closed or self._waiting:
            self._has_lines.wait()
            if not self._is_closed:
                time.sleep(PAUSE_SECONDS)
            self._has_lines.clear()
            lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
            dropped = self._dropped - self._told
            if dropped:
                self._told += dropped
                said = f"{dropped} lines of the log were dropped here, because nobody read those before"
                lines.append(self._line(logging.WARNING, said))
            try:
                _write_all(self._descriptor, "\n".join([*lines, ""]).encode(errors="backslashreplace"))
            except OSError:
                # Nobody will ever read it.
                return


def _write_all(descriptor: int, data: bytes) -> None:
    # A Python stream is not used: while it waits for a reader, the process cannot end.
    while data:
        data = data[os.write(descriptor, data) :]


def configure_logging(log_format: str, level: int = logging.INFO) -> RequestLog | None:
    """Send the simulator's log to standard error, as `text` or `json`, from a level of Python's logging on.

    Libraries log warnings and errors only. Returns the function that logs a request, or `None` if no request is logged.
    """
    # A process may be started without standard error. Descriptor 2 may then belong to another file.
    descriptor = os.open(os.devnull, os.O_WRONLY) if sys.stderr is None else sys.stderr.fileno()
    writer = LogWriter(descriptor, log_format)
    logging.getLogger().handlers = [writer]
    logging.getLogger().setLevel(max(level, logging.WARNING))
    logging.getLogger("simulator").setLevel(level)
    logging.captureWarnings(True)
    threading.excepthook = _log_failed_thread
    sys.unraisablehook = _log_ignored
    sys.excepthook = _log_failure
    return writer.request if level <= logging.INFO else None


def _log_failure(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    _python.critical("the process failed", exc_info=error)


def _log_failed_thread(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_type is not SystemExit:
        name = failure.thread.name if failure.thread else "a thread"
        _python.critical("%s failed", name, exc_info=failure.exc_value)


def _log_ignored(failure: sys.UnraisableHookArgs) -> None:
    _python.error("%s: %r", failure.err_msg or "exception ignored in", failure.object, exc_info=failure.exc_value)

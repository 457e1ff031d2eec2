"""The log on standard error, as text or JSON, one line for each record. A thread writes it, so nobody waits for it.

All messages, also those of libraries and of Python itself, become one line of printable characters, without secrets
(S-7).
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

_requests = logging.getLogger("simulator.requests")
_python = logging.getLogger("simulator.python")


class LoggedRequest(NamedTuple):
    """What the log shows of a request. `status` is `None` if there was no answer, `account` if nobody was identified.

    `time` is when it was answered, in seconds since the epoch. `seconds` is how long the answer took.
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

    @property
    def text(self) -> str:
        """The request as one line."""
        line = f"{self.method} {self.path} {self.status or 'closed'} {self.seconds * 1000:.2f} ms"
        if self.account is not None:
            line = f"{line} as {printable(self.account)}"
        return f"{line} fault {self.fault}" if self.fault else f"{line} {self.rule}" if self.rule else line

    @property
    def facts(self) -> dict[str, Any]:
        """The request as a JSON object, without the time."""
        return {
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "ms": round(self.seconds * 1000, 2),
            "rule": self.rule,
            "fault": self.fault,
            "sandbox": self.sandbox,
            "id": self.id,
            "account": self.account,
        }


RequestLog = Callable[[LoggedRequest], object]


def log_request(request: LoggedRequest) -> None:
    """Log a request with Python's logging, for programs that configure logging themselves."""
    if _requests.isEnabledFor(logging.INFO):
        _requests.info(request.text, extra={"fields": request.facts})


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
        fields: dict[str, Any] = {"time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"), "level": record.levelname}
        fields |= getattr(record, "fields", None) or {"message": without_secrets(record.getMessage())}
        if record.exc_info:
            fields["exception"] = without_secrets(self.formatException(record.exc_info))
        text = json.dumps(fields, ensure_ascii=False)
        return text if text.isprintable() else json.dumps(fields)


class LogWriter(logging.Handler):
    """Writes log records and requests to a file descriptor, in their order. Requests do not go through a logger.

    Handing a line over never blocks: a thread writes the lines. If nobody reads them, lines are dropped and counted.
    The thread does nothing but write, since no client is answered while it computes.
    """

    def __init__(self, descriptor: int, log_format: str) -> None:
        super().__init__()
        is_json = log_format == "json"
        self.setFormatter(JsonFormatter() if is_json else _TextFormatter())
        self.request: RequestLog = self._json_request if is_json else self._text_request
        self._time_format = "%Y-%m-%dT%H:%M:%S%z" if is_json else "%H:%M:%S"
        self._second, self._time = 0, ""
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
            kept = {"levelno": record.levelno, "levelname": record.levelname, "created": record.created}
            said = f"{record.name} says what cannot be formatted, at {record.pathname}:{record.lineno}"
            line = self.format(logging.makeLogRecord({**kept, "msg": said}))
        self._put(line)

    def close(self) -> None:
        """Write the last lines. Gives up after `END_SECONDS` if nobody reads them."""
        self._is_closed = True
        self._has_lines.set()
        self._thread.join(END_SECONDS)
        super().close()

    def _text_request(self, request: LoggedRequest) -> None:
        self._put(f"{self._time_of(request)} {request.text}")

    def _json_request(self, request: LoggedRequest) -> None:
        self._put(orjson.dumps({"time": self._time_of(request), "level": "INFO", **request.facts}).decode())

    def _time_of(self, request: LoggedRequest) -> str:
        second = int(request.time)
        if second != self._second:
            self._second, self._time = second, time.strftime(self._time_format, time.localtime(second))
        return self._time

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
                lines.append(f"{dropped} lines of the log were dropped here, because nobody read those before")
            try:
                _write_all(self._descriptor, "\n".join([*lines, ""]).encode(errors="backslashreplace"))
            except OSError:
                # Nobody will ever read it.
                return


def _write_all(descriptor: int, data: bytes) -> None:
    # A Python stream is not used: while it waits for a reader, the process cannot end.
    while data:
        data = data[os.write(descriptor, data) :]


def configure_logging(log_format: str) -> RequestLog:
    """Send the simulator's log to standard error, as `text` or `json`. Returns the function that logs a request."""
    # A process may be started without standard error. Descriptor 2 may then belong to another file.
    descriptor = os.open(os.devnull, os.O_WRONLY) if sys.stderr is None else sys.stderr.fileno()
    writer = LogWriter(descriptor, log_format)
    logging.getLogger().handlers = [writer]
    logging.getLogger("simulator").setLevel(logging.INFO)
    logging.captureWarnings(True)
    threading.excepthook = _log_failed_thread
    sys.unraisablehook = _log_ignored
    return writer.request


def _log_failed_thread(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_type is not SystemExit:
        name = failure.thread.name if failure.thread else "a thread"
        _python.critical("%s failed", name, exc_info=failure.exc_value)


def _log_ignored(failure: sys.UnraisableHookArgs) -> None:
    _python.error("%s: %r", failure.err_msg or "exception ignored in", failure.object, exc_info=failure.exc_value)

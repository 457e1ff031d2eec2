"""The log: one line a record on standard error, as text or as JSON."""

from __future__ import annotations

import logging
from typing import Any

import orjson


class _TextFormatter(logging.Formatter):
    """One line a record, with the level where it is not the usual one."""

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname} "
        return f"{self.formatTime(record, '%H:%M:%S')} {level}{super().format(record)}"


class JsonFormatter(logging.Formatter):
    """One JSON object a record; a request's facts are attributes of their own."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        fields: dict[str, Any] = {"time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"), "level": record.levelname}
        fields |= getattr(record, "fields", None) or {"message": record.getMessage()}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(fields).decode()


def configure_logging(log_format: str) -> None:
    """Send the simulator's log to standard error, as `text` or as `json`."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else _TextFormatter())
    root = logging.getLogger("simulator")
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False

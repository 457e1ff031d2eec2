"""An answer as a value: what operations, refusals and faults come to, before it takes the shape that HTTP wants."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.wrappers import Response

from simulator.contract.operation import JSON
from simulator.state.journal import Message

Fields = tuple[tuple[str, str], ...]

_LINES = {status: f"{status} {phrase.upper()}" for status, phrase in HTTP_STATUS_CODES.items()}
_NONE: Mapping[str, str] = MappingProxyType({})
WITHOUT_LENGTH = (204, 304)


class Reply:
    """An answer, which never changes: status, body, the headers that are its own, and the body's media type.

    `line` is the status with its phrase. `fields` are the headers with those that speak of the body; without one it has
    no type. `kept` is for what the journal keeps of it: the same answer may be given many times.
    """

    __slots__ = ("body", "fields", "kept", "line", "status")

    fields: Fields

    def __init__(self, status: int, body: bytes = b"", headers: Mapping[str, str] = _NONE, media: str = JSON) -> None:
        self.status = status
        self.body = body
        self.kept: Message | None = None
        self.line = _LINES.get(status) or f"{status} INJECTED"
        fields = [*headers.items()]
        if body:
            fields.append(("Content-Type", media))
        if status not in WITHOUT_LENGTH:
            fields.append(("Content-Length", str(len(body))))
        self.fields = tuple(fields)

    @classmethod
    def of_flask(cls, line: str, fields: Fields, body: bytes) -> Reply:
        """What Flask has answered."""
        reply = cls(int(line[:3]), body)
        reply.line, reply.fields = line, fields
        return reply

    def for_flask(self) -> Response:
        """The same as Flask takes it."""
        response = Response(self.body, self.line)
        response.headers.clear()
        response.headers.extend(self.fields)
        return response


NO_CONTENT = Reply(204)

"""The operations on a sandbox's journal."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from simulator.contract.operation import Call
from simulator.control.call import Control, ControlHandler, time_text
from simulator.control.replay import replay_view
from simulator.document import deeper_than
from simulator.errors import Fault, InvalidAttribute, UnknownResource
from simulator.state.journal import REQUEST_ID, Content, Exchange, Message

NEWEST = 100
"""How many entries a list holds if the client gives no limit."""

_NUMBER = re.compile("[0-9]{1,18}")

DEEPEST_SHOWN = 64

Filter = Callable[[Content], bool]


def list_requests(call: Call, control: Control) -> object:
    """GET requests: the entries that match, newest last (S-7).

    If more entries match than `limit` allows, returns the newest ones. With `since` it returns the oldest ones, so
    that the next call can continue after them.
    """
    query, journal, run = call.query, control.sandbox.journal, control.sandboxes.run
    if "since" in query and "before" in query:
        raise InvalidAttribute(Fault("S-7", "give the query parameter since or before, not both"))
    # Read before the entries: an entry that arrives in between has a higher position, and must not be skipped.
    seen = journal.position
    entries = journal.placed()
    seen = max([seen, *(position for position, _ in entries[-1:])])
    since = _position(query["since"], entries, run) if "since" in query else None
    before = _position(query["before"], entries, run) if "before" in query else None
    filters = filters_of(call, control)
    found = [
        (position, each)
        for position, each in entries
        if (since is None or position > since)
        and (before is None or position < before)
        and all(matches(each.content) for matches in filters)
    ]
    limit = query.get("limit", NEWEST)
    shown = found[-limit:] if limit else []
    if since is not None and limit < len(found):
        shown = found[:limit]
        seen = shown[-1][0] if shown else since
    requests = [_view(control, each) for _, each in shown]
    return {"total": len(found), "requests": requests, "cursor": f"{run}@{seen}"}


def get_request(call: Call, control: Control) -> object:
    """GET requests/{id}: an entry, its neighbours in the journal, and how to send the call again (S-7)."""
    request_id, exchanges = call.path["request_id"], control.sandbox.journal.exchanges()
    for i, exchange in enumerate(exchanges):
        if exchange.id == request_id:
            return {
                **_view(control, exchange),
                "replay": replay_view(exchange.content, control.base_url),
                "previous": exchanges[i - 1].id if i else None,
                "next": exchanges[i + 1].id if i + 1 < len(exchanges) else None,
            }
    raise UnknownResource(Fault("S-7", f"the journal of {control.sandbox_name!r} has no request {request_id[:100]!r}"))


def clear_requests(_: Call, control: Control) -> object:
    """DELETE requests (S-7)."""
    control.sandbox.clear_journal()
    return None


def filters_of(call: Call, control: Control) -> list[Filter]:
    """Returns the filters in the query. Raises `InvalidAttribute` for an unknown operation or rule."""
    makers: Mapping[str, Callable[[Any], Filter]] = {
        "operation_id": lambda asked: _by_name(asked, control.contract.operations, "operation", "operation_id"),
        "rule": lambda asked: _by_name(asked, control.ledger, "rule", "rule"),
        "method": lambda asked: lambda each: each.method == asked.upper(),
        "path": _by_path,
        "status": lambda asked: lambda each: _class_or_status(each.status, asked),
        "account": lambda asked: lambda each: each.account == asked,
        "text": _by_text,
    }
    return [make(call.query[name]) for name, make in makers.items() if name in call.query]


def _by_name(asked: str, known: Mapping[str, object], kind: str, attribute: str) -> Filter:
    if asked not in known:
        raise InvalidAttribute(Fault("S-7", f"there is no {kind} {asked[:100]!r}", asked=asked, known=known))
    return lambda each: getattr(each, attribute) == asked


def _by_path(asked: str) -> Filter:
    # Only the star is a wildcard: brackets and question marks may be part of a name. No regular expression is used,
    # because one with many stars can take very long to find that nothing matches.
    first, *rest = asked.split("*")
    if not rest:
        return lambda each: each.path == asked
    *between, last = rest
    # Two stars mean the same as one. A client may send very many of them.
    inner = [part for part in between if part]

    def matches(each: Content) -> bool:
        path, position = each.path, len(first)
        for part in inner:
            found = path.find(part, position)
            if found < 0:
                return False
            position = found + len(part)
        return path.startswith(first) and path.endswith(last) and len(path) - len(last) >= position

    return matches


def _by_text(asked: str) -> Filter:
    wanted = asked.casefold()

    def matches(each: Content) -> bool:
        texts = [each.path, each.query, each.explanation, each.account or ""]
        texts += [
            message.body.decode(errors="replace") for message in (each.request, each.response) if message is not None
        ]
        return any(wanted in text.casefold() for text in texts)

    return matches


def _class_or_status(status: int | None, asked: str) -> bool:
    text = str(status)
    return text[0] == asked[0] if asked.endswith("xx") else text == asked


def _position(asked: str, entries: list[tuple[int, Exchange]], run: str) -> int:
    """Returns the journal position for a cursor or for an entry's id. Raises `InvalidAttribute` if it is neither."""
    server, _, number = asked.partition("@")
    if server == run and _NUMBER.fullmatch(number):
        return int(number)
    for position, exchange in entries:
        if exchange.id == asked:
            return position
    reason = (
        f"{asked[:100]!r} is no cursor of this server, and the journal holds no request of this id; "
        f"a cursor is in the answer of GET requests, and is like {run}@17"
    )
    raise InvalidAttribute(Fault("S-7", reason))


def brief(exchange: Exchange) -> dict[str, Any]:
    """Returns the part of the view that fits into one line. The event of a call has the same (S-13)."""
    content = exchange.content
    return {
        "id": exchange.id,
        "time": time_text(exchange.time),
        "operation_id": content.operation_id,
        "method": content.method,
        "path": content.path,
        "query": content.query or None,
        "status": content.status,
        "duration_ms": round(exchange.seconds * 1000, 3),
        "account": content.account,
        "rule": content.rule,
        "fault": content.fault,
    }


def summary(control: Control, exchange: Exchange) -> dict[str, Any]:
    """Returns the view of an entry without the headers and bodies of its messages."""
    content = exchange.content
    rule = control.ledger.get(content.rule or "")
    return {
        **brief(exchange),
        "sandbox": control.sandbox_name,
        "basis": rule and list(rule.basis),
        "assumed": list(content.assumed) or None,
        "ignored": list(content.ignored) or None,
        "explanation": content.explanation or None,
        "suggestion": content.suggestion and dict(zip(("asked", "meant"), content.suggestion, strict=True)),
        "abort": content.abort,
    }


def _view(control: Control, exchange: Exchange) -> dict[str, Any]:
    content = exchange.content
    return {
        **summary(control, exchange),
        "request": _message_view(content.request),
        "response": content.response and _message_view(content.response, (REQUEST_ID, exchange.id)),
    }


def _message_view(message: Message, *more: tuple[str, str]) -> object:
    view: dict[str, Any] = {"headers": dict([*message.headers, *more]), "body_bytes": message.size}
    if message.body:
        view["body"] = _shown_body(message.body)
    if message.cut:
        view["body_cut"] = True
    return view


def _shown_body(body: bytes) -> object:
    """Returns the JSON value of a body. Other bodies, `null`, and JSON that is nested too deeply become text."""
    try:
        value: object = orjson.loads(body)
    except ValueError:
        return body.decode(errors="replace")
    return body.decode() if value is None or deeper_than(value, DEEPEST_SHOWN) else value


HANDLERS: dict[str, ControlHandler] = {
    "listRequests": list_requests,
    "getRequest": get_request,
    "clearRequests": clear_requests,
}

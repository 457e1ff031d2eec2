"""How to send a call of the journal again (S-7)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from simulator.control.recipe import Recipe, command, fetch_call, httpx_call
from simulator.state.journal import Content
from simulator.state.redaction import REDACTED

CREDENTIALS = ("Authorization", "Cookie")
"""Headers that the journal never keeps, so they are left out."""

HEADERS = ("Accept", "Content-Type", "Content-Encoding")
HEADERS_OF_PREFLIGHT = ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
"""The other headers on which status and body of an answer may depend."""

_SAFE = "/!$&'()*+,;=:@~%"
"""Besides letters, digits and `-._`: what a path holds and no client or shell changes. All else can be encoded."""


def replay_view(content: Content, address: str) -> dict[str, Any]:
    """Returns whether a call can be sent again, and why not, and how to do it at the address of its sandbox."""
    headers = dict(content.request.headers)
    reason = _obstacle(content, headers)
    view: dict[str, Any] = {
        "replayable": reason is None,
        "reason": reason,
        "credentials": [name for name in CREDENTIALS if name in headers] or None,
    }
    if reason is None:
        recipe = _recipe(content, headers)
        view.update(
            command=command(recipe, address), fetch=fetch_call(recipe, address), httpx=httpx_call(recipe, address)
        )
        view["target"] = recipe.path
        view["headers"] = {name: value for name, value in recipe.headers.items() if value} or None
        view["body"] = _text(recipe.body)
    return view


def _text(body: bytes) -> str | None:
    try:
        return body.decode() or None
    except UnicodeDecodeError:
        return None


def _obstacle(content: Content, headers: dict[str, str]) -> str | None:
    """Returns why the journal does not hold what is needed to send the call again, or `None`."""
    request = content.request
    kept = {name: headers[name] for name in _relevant(content) if name in headers}
    places = {"path": content.path + content.target, "query": content.query, "headers": "".join(kept.values())}
    for place, text in places.items():
        if REDACTED in text:
            return f"the journal has removed a secret from the {place}"
    if REDACTED.encode() in request.body:
        return "the journal has removed a secret from the body"
    if request.cut:
        return "the journal has kept only the beginning of the body"
    if request.size and not request.body:
        return "the journal has not kept the body"
    if request.size != len(request.body):
        return "the journal has kept the body in another form than it was sent, because it may have held a secret"
    if content.method == "HEAD" and request.body:
        return "clients do not send a body with HEAD"
    if not all(value.isascii() for value in kept.values()):
        return "a header has a character that is not ASCII"
    return None


def _relevant(content: Content) -> tuple[str, ...]:
    return (*HEADERS, *HEADERS_OF_PREFLIGHT) if content.method == "OPTIONS" else HEADERS


def _recipe(content: Content, headers: dict[str, str]) -> Recipe:
    sent = {name: headers[name] for name in _relevant(content) if name in headers}
    if sent.get("Accept") == "*/*":
        # All clients send this by themselves.
        del sent["Accept"]
    if content.request.body:
        # An empty value keeps clients from adding a content type of their own.
        sent.setdefault("Content-Type", "")
    path = quote(content.target, safe=_SAFE) if content.target else quote(content.path, safe=_SAFE.replace("%", ""))
    if content.query:
        path += f"?{quote(content.query, safe=f'{_SAFE}?')}"
    return Recipe(method=content.method, path=path, headers=sent, body=content.request.body)

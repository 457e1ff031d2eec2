"""Write the error catalogue of the package (G-8): `python -m tools.contract_checks.catalogue`.

Sends all recipes to a simulator with the default fixture. If it refuses several for the same reason, the smallest is
kept, with its answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from simulator.app import Simulation
from simulator.control.catalogue import request_view
from simulator.control.recipe import REFUSALS, Recipe, RefusedExample
from simulator.http.gateway import ASSUMED
from simulator.http.request import CONTROL
from simulator.http.responses import malformed
from simulator.server.reading import unreadable
from simulator.settings import Settings
from tools.contract_checks.recipes import place, reason, recipes

HOST = "127.0.0.1:4080"
SHOWN_HEADERS = ("Allow", "WWW-Authenticate", "Set-Cookie")


def find_refusals(simulation: Simulation) -> list[RefusedExample]:
    """Returns the refusals of the simulated API, and one for each code and rule of the control interface."""
    api, control, world = simulation.contract, simulation.control_contract, simulation.world()
    apps: dict[str, Flask] = {}
    smallest: dict[tuple[object, ...], RefusedExample] = {}
    for recipe in recipes(api, control, world.directory):
        settings = {"journal_limit": 0, "fidelity": "strict", "log_requests": False, **recipe.settings}
        key = repr(settings)
        if key not in apps:
            apps[key] = simulation.app(world, Settings(**settings))
        refused = _answer(recipe, apps[key]) if recipe.method else _unread(recipe)
        if refused is None:
            continue
        kind = _kind(refused)
        if kind not in smallest or _size(recipe) < _size(smallest[kind].recipe):
            smallest[kind] = refused
    order = [None, *api.operations, *control.operations]
    return sorted(smallest.values(), key=lambda each: (order.index(each.recipe.operation_id), each.error["code"]))


def written(refusals: Iterable[RefusedExample]) -> bytes:
    """Returns the content of the package's file: JSON with one refusal per line (see `load_refusals`)."""
    return b"[\n" + b",\n".join(orjson.dumps(_entry(each)) for each in refusals) + b"\n]\n"


def _entry(refused: RefusedExample) -> dict[str, Any]:
    recipe = refused.recipe
    entry = {"operation_id": recipe.operation_id, "settings": recipe.settings or None, **request_view(recipe)}
    answer = {"status": refused.status, "headers": refused.headers, "body": refused.body, "assumed": refused.assumed}
    return {**{name: value for name, value in entry.items() if value is not None}, "answer": answer}


def _size(recipe: Recipe) -> tuple[int, int]:
    """Returns the size of a recipe: the number of server options first, then the length in bytes."""
    headers = sum(len(name) + len(value) for name, value in recipe.headers.items())
    return len(recipe.settings), len(recipe.path) + len(recipe.body) + headers


def _answer(recipe: Recipe, app: Flask) -> RefusedExample | None:
    """Sends a recipe. Returns the refusal, or `None` if it is accepted; then its changes are undone."""
    environ = EnvironBuilder(
        path=recipe.path,
        method=recipe.method,
        headers=list({"Host": HOST, **recipe.headers}.items()),
        data=recipe.body or None,
    ).get_environ()
    # The path's bytes, as a server passes them on. The builder would decode them as UTF-8.
    environ["PATH_INFO"] = unquote_to_bytes(recipe.path.partition("?")[0]).decode("latin-1")
    chunks, status, headers = run_wsgi_app(app, environ)
    if not status.startswith(("4", "5")):
        run_wsgi_app(app, EnvironBuilder(path="/_simulator/reset", method="POST").get_environ())
        return None
    shown = {name: headers[name] for name in SHOWN_HEADERS if name in headers}
    body = orjson.loads(b"".join(chunks))
    rule = body["errors"][0]["details"]["rule"]
    # Everything about the control interface is assumed, so its answers do not have this header.
    assumed = rule in headers.get(ASSUMED, "").split(", ") or recipe.path.startswith(CONTROL)
    return RefusedExample(recipe=recipe, status=int(status[:3]), headers=shown, body=body, assumed=assumed)


def _unread(recipe: Recipe) -> RefusedExample:
    """Returns the refusal of a recipe that is not an HTTP request."""
    raw = recipe.raw or f"GET / HTTP/1.1\r\nX: {'x' * recipe.header_bytes}"
    reply = malformed(*unreadable(raw.encode()))
    return RefusedExample(recipe=recipe, status=reply.status, headers={}, body=orjson.loads(reply.body), assumed=True)


def _kind(refused: RefusedExample) -> tuple[object, ...]:
    """Returns what two refusals must share to count as one: operation, rule, place, and reason without values."""
    recipe, errors = refused.recipe, [each["details"] for each in refused.body["errors"]]
    where = recipe.operation_id or (refused.headers.get("Allow"),)
    whys = [(each["rule"], place(each.get("pointer", "")), reason(each["reason"])) for each in errors]
    return where, refused.error["code"], *whys


if __name__ == "__main__":
    REFUSALS.write_bytes(written(find_refusals(Simulation())))

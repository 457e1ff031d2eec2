"""An operation gives the same answer whether the gateway or Flask has found it."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.test import EnvironBuilder, run_wsgi_app

from simulator.app import Simulation
from simulator.control.recipe import load_refusals
from simulator.http.gateway import Gateway
from simulator.http.routes import Routes
from simulator.http.wsgi import HEAD
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import CAPACITIES, EXECUTIVE

API = "/api/v1/"
RECEPTION = f"{API}{CAPACITIES}Reception/"
BODY = {"maxCalls": 5, "maxIncomingCalls": None}
ORIGIN = {"Origin": "http://a.example"}

Recipe = tuple[str, str, dict[str, str], bytes]


def call(app: Any, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Any:
    """Return status, headers and body of the answer, without what differs each time."""
    target, _, query = path.partition("?")
    environ = EnvironBuilder(
        method=method, query_string=query, headers=list(headers.items()), data=body or None
    ).get_environ()
    # As a server passes them on. The builder would decode the path.
    environ["PATH_INFO"], environ["REQUEST_URI"] = unquote_to_bytes(target).decode("latin-1"), path
    if not body:
        environ[HEAD] = repr((method, path, headers)).encode()
    chunks, status, answer = run_wsgi_app(app, environ)
    kept = {name: value for name, value in answer.items() if name != "X-Simulator-Request-Id"}
    assert "_simulator" in path or "X-Simulator-Request-Id" in answer
    return status, kept, b"".join(chunks)


def without_times(value: Any) -> Any:
    """Return a journal without ids, times, sessions and cursors."""
    if isinstance(value, dict):
        varying = {"id", "time", "durationMs", "cursor", "X-Simulator-Request-Id"}
        return {key: without_times(each) for key, each in value.items() if key not in varying}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def recipes(simulation: Simulation) -> list[Recipe]:
    """Return all documented calls, all refusals of the catalogue, and odd paths, headers and methods."""
    found: list[Recipe] = []
    for refused in load_refusals():
        recipe = refused.recipe
        if recipe.method and not recipe.path.startswith("/_simulator"):
            found.append((recipe.method, recipe.path, dict(recipe.headers), recipe.body))
    bodies = {"PUT": b"{}", "POST": b'{"name": "new", "isDefault": false, "maxCalls": 1}'}
    for path in simulation.contract.paths:
        known = {"tenant_id": "foo", "group_id": "foogroup", "user_id": "foouser"}
        for name in ("Reception", "foocriteria", "none", "50% off"):
            address = path.format(**known, call_capacity_name=name, instance_name=name).replace("% ", "%25%20")
            for method in ("GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "FOO"):
                found.append((method, address, {}, bodies.get(method, b"")))
    put = orjson.dumps(BODY)
    for headers in (
        {"Authorization": "Bearer foogroup-admin"},
        {"Authorization": "Bearer foouser"},
        {"Authorization": "Bearer nobody"},
        {"Authorization": "Basic Zm9v"},
        {"Cookie": "sessionid=none; a=b"},
        {"Accept": "text/html"},
        {"Accept": "text/html, application/*;q=0.5"},
        {"Accept": "*/*", "X-Token": "hunter2", "X-Mine": "1"},
        ORIGIN,
        {**ORIGIN, "Access-Control-Request-Method": "PUT"},
        {"Content-Type": "text/plain"},
        {"Content-Type": '"application/json"; charset=utf-8'},
        {"Content-Encoding": "gzip"},
        {"Upgrade": "websocket", "Connection": "Upgrade"},
        {"Host": "bad host!"},
    ):
        found += [
            ("GET", RECEPTION, headers, b""),
            ("PUT", RECEPTION, headers, put),
            ("OPTIONS", RECEPTION, headers, b""),
        ]
    for path in (
        f"{RECEPTION}?a=b&token=x",
        f"{API}{EXECUTIVE}available_assistants/?sameGroupOnly=false",
        f"{API}{EXECUTIVE}available_assistants/?sameGroupOnly=x&x",
        RECEPTION.replace("Reception", "R%65ception"),
        RECEPTION.replace("Reception", "a%2Fb"),
        RECEPTION.replace("foogroup", "f%C3%B6o"),
        RECEPTION.replace("Reception", "%FF"),
        RECEPTION.replace("Reception", "%20"),
        RECEPTION.replace("Reception", "available_users"),
        RECEPTION.rstrip("/"),
        f"{RECEPTION}/",
        RECEPTION.replace("/groups", "//groups"),
        f"{RECEPTION}x/",
        f"/{RECEPTION}",
        "/",
        "/nowhere",
        "*",
    ):
        found += [("GET", path, {}, b""), ("PUT", path, {}, put)]
    return found


@pytest.mark.parametrize("settings", [{}, {"fidelity": "strict", "auth": "required"}], ids=["plain", "strict"])
def test_all_kinds_of_requests_get_the_same_answers_and_leave_the_same_traces(
    simulation: Simulation, world: World, settings: dict[str, Any]
) -> None:
    apps = [simulation.app(world, Settings(journal_limit=100_000, **settings)) for _ in range(2)]
    gateways = [app.wsgi_app for app in apps]
    assert all(isinstance(each, Gateway) for each in gateways)
    gateways[1].direct = False  # type: ignore[attr-defined]
    calls = recipes(simulation)
    assert len(calls) > 700
    login: Recipe = ("POST", f"{API}login/", {}, b'{"username": "groupadmin", "password": "secret"}')
    fault = b'{"operationId": "getCallCapacity", "status": 503, "times": 2}'
    for prefix in ("", "/_sandboxes/one") if not settings else ("/_sandboxes/one",):
        assert len({str(call(app, *login)[0]) for app in apps}) == 1
        for method, path, headers, body in calls:
            # From the third time on, the gateway recognizes the whole call.
            for _ in range(4 if method == "GET" else 1):
                one, other = (call(app, method, prefix + path, headers, body) for app in apps)
                assert one == other, (method, path, headers, body)
        for app in apps:
            assert call(app, "POST", f"{prefix}/_simulator/faults", {}, fault)[0] == "201 CREATED"
        for _ in range(3):
            one, other = (call(app, "GET", f"{prefix}{RECEPTION}", ORIGIN) for app in apps)
            assert one == other
        for report in ("requests?limit=1000", "coverage", "diff"):
            one, other = (call(app, "GET", f"{prefix}/_simulator/{report}", {})[2] for app in apps)
            assert without_times(orjson.loads(one)) == without_times(orjson.loads(other))


def test_most_of_them_do_without_flask(simulation: Simulation, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    app = simulation.app(world)
    asked = []
    through_flask = Gateway._through_flask

    def counted(gateway: Gateway, context: Any) -> Any:
        asked.append(context.request.asked)
        return through_flask(gateway, context)

    monkeypatch.setattr(Gateway, "_through_flask", counted)
    put = orjson.dumps(BODY)
    for _ in range(2):
        for headers in ({}, ORIGIN, {"Authorization": "Bearer nobody"}, {"Accept": "text/html"}):
            call(app, "GET", RECEPTION, headers)
            call(app, "PUT", f"/_sandboxes/one{RECEPTION}", headers, put)
            call(app, "GET", RECEPTION.replace("Reception", "no%20ne"), headers)
    assert asked == []
    for _ in range(4):
        call(app, "GET", f"{RECEPTION}?a", {})
    assert asked == [RECEPTION]


@pytest.fixture(scope="module")
def routes(simulation: Simulation) -> Routes:
    return Routes(simulation.contract, lambda *_: None)  # type: ignore[arg-type]  # nobody calls it


@pytest.fixture(scope="module")
def reference(simulation: Simulation) -> Any:
    rules = [Rule(path.replace("{", "<").replace("}", ">"), endpoint=path) for path in simulation.contract.paths]
    return Map(rules, strict_slashes=True, merge_slashes=False, redirect_defaults=False).bind("")


class TestFinding:
    """The gateway finds for a path what Werkzeug finds, except where Werkzeug tolerates wrong slashes."""

    segments = st.sampled_from(
        (
            "",
            "api",
            "v1",
            "login",
            "tenants",
            "foo",
            "groups",
            "services",
            "call_capacities",
            "available_users",
            "users",
            "executive",
            "alerting",
            "criteria",
            "ü",
            "a b",
            "/",
        )
    )

    @given(segments=st.lists(segments, max_size=12), method=st.sampled_from(["GET", "PUT", "POST", "FOO"]))
    @example(segments=["", *f"{API}{CAPACITIES}available_users/".split("/")[1:]], method="GET")
    @example(segments=["", *f"{API}{CAPACITIES}available_users/x/".split("/")[1:]], method="GET")
    @example(segments=["", *f"{API}{EXECUTIVE}criteria/a/".split("/")[1:]], method="PUT")
    @example(segments=f"{API}{CAPACITIES}".replace("/foo/", "//").split("/"), method="GET")
    def test_it_is_what_flask_would_find(
        self, simulation: Simulation, routes: Routes, reference: Any, segments: list[str], method: str
    ) -> None:
        path = "/".join(segments)
        try:
            template, values = reference.match(path)
            expected = simulation.contract.paths[template].get(method)
        except HTTPException:
            expected, values = None, {}
        if not path.startswith("/"):
            # Flask adds the first slash. The gateway does not, and leaves such a path to Flask.
            expected = None
        found = routes.find(path, method)
        assert (found and found[0]) == expected
        if found is not None:
            assert found[1] == values

    def test_the_control_interface_is_found_too(self, simulation: Simulation) -> None:
        routes = Routes(simulation.control_contract, lambda *_: None)  # type: ignore[arg-type]  # nobody calls it
        for path, operation_id in (
            ("/_simulator/snapshots", "listSnapshots"),
            ("/_simulator/requests/a", "getRequest"),
        ):
            found = routes.find(path, "GET")
            assert found is not None
            assert found[0].operation_id == operation_id

    def test_what_is_remembered_is_bounded(self, routes: Routes) -> None:
        for number in range(5_000):
            routes.find(f"{API}{CAPACITIES}{number}/", "GET")
        before = routes._find_remembered.cache_info()
        assert before.currsize <= 4_096
        routes.find(f"{API}{CAPACITIES}{'x' * 1_000}/", "GET")
        assert routes._find_remembered.cache_info() == before

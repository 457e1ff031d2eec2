"""Who may call what (A-1 to A-7), with credentials optional and required."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from simulator.app import Simulation
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import CAPACITIES, EXECUTIVE, Api, faults, served

RECEPTION = CAPACITIES + "Reception/"
OTHER_USER = EXECUTIVE.replace("foouser", "user_1")
ASSISTANT = "test_user@netaxis.be"
OTHER_GROUP = "tenants/demo/groups/brussels/services/call_capacities/"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def strict_server(simulation: Simulation, world: World) -> Iterator[str]:
    with served(simulation.app(world, Settings(auth="required"))) as server:
        yield server.url


@pytest.fixture
def strict(strict_server: str) -> Iterator[Api]:
    """The API of a server that requires credentials."""
    with httpx.Client(base_url=strict_server) as client:
        api = Api(client, "strict")
        api.reset()
        yield api


@pytest.mark.rule("A-6")
def test_without_credentials_the_caller_is_a_system_admin_unless_they_are_required(api: Api, strict: Api) -> None:
    for path in (RECEPTION, EXECUTIVE + "alerting/", OTHER_GROUP):
        assert api("GET", path).status_code == 200
        response = strict("GET", path)
        assert (response.status_code, faults(response)) == (401, {("A-6", None)})
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.rule("A-2")
def test_an_assistant_does_not_reach_the_executive(api: Api) -> None:
    assert [each["userId"] for each in api.ok("GET", EXECUTIVE + "assistants/")["assistantUsers"]] == [ASSISTANT]
    own = {"tenantId": "foo", "groupId": "foogroup", "userId": ASSISTANT}
    account = {"password": "secret", "level": "End User", "token": "assistant", **own}
    api.arranged("PATCH", "state", {"accounts": {"assistant": account}})
    assert api("GET", EXECUTIVE.replace("foouser", ASSISTANT) + "alerting/", headers=bearer("assistant")).is_success
    assert api.refused("GET", EXECUTIVE + "filtering/", headers=bearer("assistant")) == (403, {("A-2", None)})


@pytest.mark.rule("A-1", "A-2", "A-4")
@pytest.mark.parametrize(
    ("token", "path", "outcome"),
    [
        ("system-admin", OTHER_GROUP, None),
        ("system-admin", EXECUTIVE + "alerting/", None),
        ("foo-admin", RECEPTION, None),
        ("foo-admin", OTHER_USER + "alerting/", None),
        ("foo-admin", OTHER_GROUP, "A-1"),
        ("foogroup-admin", RECEPTION, None),
        ("foogroup-admin", EXECUTIVE + "alerting/", None),
        ("foogroup-admin", CAPACITIES.replace("foogroup", "bargroup"), "A-1"),
        ("foogroup-admin", OTHER_GROUP, "A-1"),
        ("foouser", EXECUTIVE + "alerting/", None),
        ("foouser", EXECUTIVE.replace("foouser", "foouser@sip.netaxis.be") + "alerting/", None),
        ("foouser", OTHER_USER + "alerting/", "A-2"),
        ("foouser", RECEPTION, "A-2"),
    ],
)
def test_a_level_reaches_its_own_and_no_further(
    api: Api, strict: Api, token: str, path: str, outcome: str | None
) -> None:
    for each in (api, strict):
        if outcome is None:
            assert each("GET", path, headers=bearer(token)).status_code == 200
        else:
            assert each.refused("GET", path, headers=bearer(token)) == (403, {(outcome, None)})


@pytest.mark.rule("A-3")
def test_a_login_opens_a_session_that_authenticates_later_requests(strict: Api) -> None:
    response = strict("POST", "login/", {"username": "groupadmin", "password": "secret"})
    assert response.status_code == 200
    assert response.json() == {
        "ids": {"tenant_id": "foo", "group_id": "foogroup"},
        "profile": {"user_level": 8, "is_first_login": True},
    }
    cookie = response.headers["Set-Cookie"].split("; ")
    assert cookie[0].startswith("sessionid=")
    assert cookie[1:] == ["HttpOnly", f"Path={strict.root}/api/"]
    assert strict("GET", RECEPTION).status_code == 200
    assert strict.refused("GET", OTHER_GROUP) == (403, {("A-1", None)})


@pytest.mark.rule("A-3")
def test_the_ids_and_the_level_are_those_of_the_account(api: Api) -> None:
    for name, ids, level in [
        ("sysadmin", {}, 16),
        ("fooadmin", {"tenant_id": "foo"}, 12),
        ("foouser", {"tenant_id": "foo", "group_id": "foogroup", "user_id": "foouser@sip.netaxis.be"}, 0),
    ]:
        answer = api.ok("POST", "login/", {"username": name, "password": "secret"})
        assert (answer["ids"], answer["profile"]["user_level"]) == (ids, level)


@pytest.mark.rule("A-3")
def test_only_the_first_login_since_the_seed_is_the_first(api: Api) -> None:
    def first() -> bool:
        answer = api.ok("POST", "login/", {"username": "sysadmin", "password": "secret"})
        return bool(answer["profile"]["is_first_login"])

    assert [first(), first()] == [True, False]
    api.reset()
    assert first()


@pytest.mark.rule("A-3")
@pytest.mark.parametrize(("username", "password"), [("groupadmin", "wrong"), ("nobody", "secret"), ("", "")])
def test_wrong_credentials_of_a_login_are_401(api: Api, username: str, password: str) -> None:
    body = {"username": username, "password": password}
    assert api.refused("POST", "login/", body) == (401, {("A-3", None)})
    assert api.refused("POST", "login/", {"username": username}) == (400, {("A-3", "/password")})


@pytest.mark.rule("A-5")
@pytest.mark.parametrize(
    ("headers", "rule"),
    [
        (bearer("none"), "A-5"),
        ({"Authorization": "Bearer"}, "A-5"),
        ({"Authorization": "Basic Zm9vOmJhcg=="}, "A-4"),
        ({"Authorization": ""}, "A-4"),
        ({"Cookie": "sessionid=none"}, "A-5"),
        ({"Cookie": "sessionid="}, "A-5"),
    ],
)
def test_wrong_credentials_are_401_whatever_the_mode(api: Api, strict: Api, headers: dict[str, str], rule: str) -> None:
    for each in (api, strict):
        assert each.refused("GET", RECEPTION, headers=headers) == (401, {(rule, None)})


@pytest.mark.rule("A-5")
def test_a_session_ends_with_a_reset_and_a_new_login_needs_no_valid_one(strict: Api) -> None:
    credentials = {"username": "groupadmin", "password": "secret"}
    strict.ok("POST", "login/", credentials)
    strict.reset()
    assert strict.refused("GET", RECEPTION) == (401, {("A-5", None)})
    strict.ok("POST", "login/", credentials)
    assert strict("GET", RECEPTION).status_code == 200


@pytest.mark.rule("A-5")
def test_a_session_belongs_to_its_sandbox(strict: Api) -> None:
    strict.ok("POST", "login/", {"username": "groupadmin", "password": "secret"})
    other = Api(strict.client, "other")
    session = {"Cookie": f"sessionid={strict.client.cookies['sessionid']}"}
    assert other.refused("GET", RECEPTION, headers=session) == (401, {("A-5", None)})
    # The client keeps cookies by path, so it sends none to the other sandbox.
    assert other.refused("GET", RECEPTION) == (401, {("A-6", None)})


SPREAD: list[list[str]] = [
    ["theme=dark", "sessionid={}"],
    ["sessionid={}", "theme=dark"],
    ["sessionid={}, theme=dark"],
    ["theme=dark,sessionid={}"],
    ["theme=dark;sessionid={};"],
    ["a=b ;\tsessionid = {} ; c=d"],
    ["a; b=\xe9; sessionid={}"],
    ['sessionid="{}"'],
    ['a="b"; sessionid="{}"; c="d'],
    ['x="; sessionid={}; y="'],
]


@pytest.mark.rule("A-5")
@pytest.mark.parametrize("cookies", SPREAD, ids=" | ".join)
def test_a_session_counts_however_its_cookie_comes(api: Api, strict: Api, cookies: list[str]) -> None:
    def sent(session: str) -> list[tuple[bytes, bytes]]:
        return [(b"Cookie", each.format(session).encode("latin-1")) for each in cookies]

    for each in (api, strict):
        session = each("POST", "login/", {"username": "groupadmin", "password": "secret"}).cookies["sessionid"]
        each.client.cookies.clear()
        assert each.refused("GET", RECEPTION, headers=sent("none")) == (401, {("A-5", None)})
        assert each("GET", RECEPTION, headers=sent(session)).status_code == 200
        assert each.refused("GET", OTHER_GROUP, headers=sent(session)) == (403, {("A-1", None)})


@pytest.mark.rule("A-5")
@pytest.mark.parametrize(
    ("cookie", "status"),
    [
        ('x="; sessionid=none"', 401),
        ('sessionid="none', 401),
        ('sessionid="', 401),
        ("sessionid", 401),
        ("a=b, sessionid ; c", 401),
        ("xsessionid=none", 200),
        ("sessionidx=none", 200),
        ("a=sessionid", 200),
    ],
)
def test_no_quotation_mark_hides_a_session_and_nothing_else_is_taken_for_one(
    api: Api, cookie: str, status: int
) -> None:
    assert api("GET", RECEPTION, headers={"Cookie": cookie}).status_code == status


@pytest.mark.rule("A-5", "S-9")
def test_of_several_sessions_each_must_be_known_and_the_first_one_is_the_callers(api: Api) -> None:
    def session(name: str) -> str:
        answer = api("POST", "login/", {"username": name, "password": "secret"})
        api.client.cookies.clear()
        return f"sessionid={answer.cookies['sessionid']}"

    group, system = session("groupadmin"), session("sysadmin")
    api.arranged("DELETE", "requests")
    assert api("GET", OTHER_GROUP, headers={"Cookie": f"{system}; {group}"}).status_code == 200
    assert api("GET", OTHER_GROUP, headers={"Cookie": f"{group}; {system}"}).status_code == 403
    assert api("GET", RECEPTION, headers={"Cookie": f"{group}; {group}"}).status_code == 200
    assert api.refused("GET", RECEPTION, headers={"Cookie": f"{group}; sessionid=none"}) == (401, {("A-5", None)})
    assert api.refused("GET", RECEPTION, headers={"Cookie": "sessionid=none"}) == (401, {("A-5", None)})
    calls = api.arranged("GET", "requests")["requests"]
    assert ["A-5" in call.get("assumed", []) for call in calls] == [True, True, False, True, False]


@pytest.mark.rule("A-4", "A-5")
def test_a_token_counts_before_a_session_and_the_scheme_in_any_case(api: Api, strict: Api) -> None:
    for each in (api, strict):
        headers = {"Authorization": "bearer foogroup-admin", "Cookie": "sessionid=none"}
        assert each("GET", RECEPTION, headers=headers).status_code == 200
        session = each("POST", "login/", {"username": "groupadmin", "password": "secret"}).cookies["sessionid"]
        headers = {**bearer("none"), "Cookie": f"sessionid={session}"}
        response = each("GET", RECEPTION, headers=headers)
        assert (response.status_code, faults(response)) == (401, {("A-5", None)})
        assert "Set-Cookie" not in response.headers
        for token in ("foogroup-admin", "system-admin"):
            headers = {**bearer(token), "Cookie": f"sessionid={session}"}
            assert each("GET", RECEPTION, headers=headers).status_code == 200
        calls = each.arranged("GET", "requests")["requests"]
        assert ["A-5" in call.get("assumed", []) for call in calls] == [True, False, False, False, True]


@pytest.mark.rule("A-5")
@pytest.mark.parametrize("root", ["", None])
def test_an_ended_session_does_not_lock_a_browser_out(api: Api, root: str | None) -> None:
    api.root = api.root if root is None else root
    api.ok("POST", "login/", {"username": "groupadmin", "password": "secret"})
    assert api("GET", OTHER_GROUP).status_code == 403
    api.reset()
    response = api("GET", RECEPTION)
    assert (response.status_code, faults(response)) == (401, {("A-5", None)})
    cookie = response.headers["Set-Cookie"].split("; ")
    assert cookie[0] == "sessionid="
    assert {*cookie[1:]} == {"Max-Age=0", "HttpOnly", f"Path={api.root}/api/"}
    assert api("GET", RECEPTION).status_code == 200


@pytest.mark.rule("A-7")
def test_checks_come_in_the_documented_order(api: Api) -> None:
    bad: dict[str, Any] = {"content": b"{", "headers": {"Content-Type": "text/plain", **bearer("none")}}
    assert api.refused("PATCH", CAPACITIES + "none/", **bad)[0] == 405
    assert api.refused("PUT", CAPACITIES + "none/", **bad)[0] == 401
    bad["headers"] = {"Content-Type": "text/plain", **bearer("brussels-admin")}
    assert api.refused("PUT", CAPACITIES + "none/", **bad)[0] == 403
    bad["headers"] = {"Content-Type": "text/plain", **bearer("system-admin")}
    assert api.refused("PUT", CAPACITIES + "none/", **bad) == (404, {("G-9", None)})
    assert api.refused("PUT", CAPACITIES.replace("foogroup", "bargroup") + "x/", **bad) == (404, {("CC-1", None)})
    assert api.refused("PUT", RECEPTION, **bad)[0] == 415
    bad["headers"] = bearer("system-admin")
    assert api.refused("PUT", RECEPTION, **bad)[0] == 400
    large: dict[str, Any] = {"content": b"x" * 2_000_000}
    assert api.refused("PUT", CAPACITIES + "none/", **large)[0] == 404


@pytest.mark.rule("A-7")
def test_403_never_reveals_what_exists(api: Api) -> None:
    for path in (OTHER_GROUP, "tenants/none/groups/none/services/call_capacities/"):
        assert api.refused("GET", path, headers=bearer("foogroup-admin")) == (403, {("A-1", None)})

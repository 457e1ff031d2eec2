"""Pages that log in: a session that the browser loses is noticed, and there is a logout (A-8, A-9)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from simulator.app import Simulation
from simulator.http.recording import MOST_WARNINGS
from simulator.settings import Settings
from simulator.state.sessions import SESSIONS
from simulator.state.world import World
from tests.conftest import CAPACITIES, Api, served

RECEPTION = CAPACITIES + "Reception/"
BARGROUP = CAPACITIES.replace("foogroup", "bargroup")
CREDENTIALS = {"username": "groupadmin", "password": "secret"}
PAGE = {"Origin": "http://localhost:3000"}
WARNING = "X-Simulator-Warning"


def log_in(api: Api, **headers: str) -> httpx.Response:
    """Log in as a page does that loses its cookie."""
    response = api("POST", "login/", CREDENTIALS, headers=headers)
    assert response.status_code == 200, response.text
    api.client.cookies.clear()
    return response


def explanations(api: Api) -> list[str]:
    """Return the explanations of the calls so far; empty for a call that needs none."""
    return [each.get("explanation", "") for each in api.arranged("GET", "requests")["requests"]]


def host_of(api: Api) -> str:
    return f"{api.client.base_url.host}:{api.client.base_url.port}"


@pytest.fixture
def own(simulation: Simulation, world: World) -> Iterator[Api]:
    """The API of a server that no other test uses, so that its log is that of the test."""
    with served(simulation.app(world)) as server, httpx.Client(base_url=server.url) as client:
        yield Api(client, "own")


@pytest.mark.rule("A-8")
class TestLoginFromAnotherSite:
    def test_the_answer_warns_and_a_page_can_read_the_warning(self, api: Api) -> None:
        response = log_in(api, **PAGE)
        assert response.headers[WARNING] == (
            f"The page's origin http://localhost:3000 and http://{host_of(api)} are different sites, "
            "so a browser may not send the cookie of this login. Use the same host name for both."
        )
        assert WARNING in response.headers["Access-Control-Expose-Headers"].split(", ")

    def test_the_journal_says_the_same_and_names_the_rule(self, api: Api) -> None:
        warning = log_in(api, **PAGE).headers[WARNING]
        (explanation,) = explanations(api)
        assert explanation.startswith(f"{warning} Rule A-8 (assumed by the simulator): ")
        (entry,) = api.arranged("GET", "requests")["requests"]
        assert entry["response"]["headers"][WARNING] == warning
        assert "rule" not in entry

    def test_the_log_warns_once_however_often_the_page_logs_in(
        self, own: Api, caplog: pytest.LogCaptureFixture
    ) -> None:
        warning = log_in(own, **PAGE).headers[WARNING]
        for _ in range(3):
            log_in(own, **PAGE)
            own.reset()
        warned = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
        assert warned == [f"POST /_sandboxes/own/api/v1/login/: {warning}"]

    @pytest.mark.parametrize("headers", [{}, {"Origin": "http://127.0.0.1:3000"}])
    def test_a_program_and_a_page_of_the_same_site_are_not_warned(self, api: Api, headers: dict[str, str]) -> None:
        assert WARNING not in log_in(api, **headers).headers
        assert explanations(api) == [""]

    def test_a_login_that_is_refused_opens_no_session_and_needs_no_warning(self, api: Api) -> None:
        response = api("POST", "login/", {**CREDENTIALS, "password": "wrong"}, headers=PAGE)
        assert (response.status_code, WARNING in response.headers) == (401, False)
        api("GET", RECEPTION, headers=PAGE)
        assert "no session arrived" not in "".join(explanations(api))

    @pytest.mark.parametrize(
        ("origin", "host", "same"),
        [
            ("http://localhost:3000", "localhost:4080", True),
            ("http://LOCALHOST", "localhost.", True),
            ("http://localhost:3000", "127.0.0.1:4080", False),
            ("http://127.0.0.1:3000", "localhost:4080", False),
            ("http://127.0.0.1", "127.0.0.2", False),
            ("http://[::1]:3000", "[::1]:4080", True),
            ("http://[::1]:3000", "[0:0:0:0:0:0:0:1]:4080", True),
            ("http://[::1]:3000", "localhost:4080", False),
            ("https://localhost:3000", "localhost:4080", False),
            ("http://a.localhost:3000", "b.localhost:4080", False),
            ("http://app.example.com", "api.example.com", True),
            ("http://example.com", "api.example.com", True),
            ("http://app.example.org", "api.example.com", False),
            ("http://10.0.0.1", "11.0.0.1", False),
            ("null", "localhost:4080", False),
            ("capacitor://localhost", "localhost:4080", False),
            ("chrome-extension://abcdefghijklmnop", "localhost:4080", False),
        ],
    )
    def test_a_site_is_a_scheme_and_a_registrable_domain_whatever_the_port(
        self, api: Api, origin: str, host: str, same: bool
    ) -> None:
        response = log_in(api, Origin=origin, Host=host)
        assert (WARNING not in response.headers) == same

    @pytest.mark.parametrize(
        ("said", "origin", "warned"),
        [
            ("same-origin", "http://localhost:3000", False),
            ("same-site", "http://localhost:3000", False),
            ("cross-site", "http://127.0.0.1:3000", True),
            ("none", "http://localhost:3000", True),
            ("x" * 5_000, "http://localhost:3000", True),
        ],
    )
    def test_the_word_of_the_browser_counts_first(self, api: Api, said: str, origin: str, warned: bool) -> None:
        assert (WARNING in log_in(api, Origin=origin, **{"Sec-Fetch-Site": said}).headers) == warned

    @pytest.mark.parametrize(
        ("origin", "remedy"),
        [
            ("http://localhost", "Use the same host name for both."),
            ("https://127.0.0.1", "Use the same scheme for both."),
            ("null", "Serve the page over HTTP, under the same host name."),
        ],
    )
    def test_the_warning_says_what_to_do(self, api: Api, origin: str, remedy: str) -> None:
        assert log_in(api, Origin=origin).headers[WARNING].endswith(f"login. {remedy}")


@pytest.mark.rule("A-8")
class TestMissingSession:
    @pytest.mark.parametrize("calls_before", [0, 1, 5])
    def test_a_call_without_one_is_explained_also_if_it_was_repeated_before_the_login(
        self, api: Api, calls_before: int
    ) -> None:
        for _ in range(calls_before):
            assert api("GET", RECEPTION, headers=PAGE).status_code == 200
        log_in(api, **PAGE)
        api.arranged("DELETE", "requests")
        for _ in range(4):
            assert api("GET", RECEPTION, headers=PAGE).status_code == 200
        said = explanations(api)
        assert len(said) == 4
        for each in said:
            assert each.startswith(
                "The page's origin http://localhost:3000 has logged in here, but no session arrived with this call, so "
                f"it acted as System Admin. The page and http://{host_of(api)} are different sites. "
                "Use the same host name for both. Rule A-8"
            )
        assert {each["account"] for each in api.arranged("GET", "requests")["requests"]} == {"anonymous"}

    def test_it_is_also_told_when_the_call_changes_something_or_is_refused(self, api: Api) -> None:
        log_in(api, **PAGE)
        api.ok("PUT", RECEPTION, {"maxCalls": 3}, headers=PAGE)
        assert api("GET", f"{CAPACITIES}Recepion/", headers=PAGE).status_code == 404
        _, change, refusal = explanations(api)
        assert "no session arrived" in change
        assert refusal.startswith("getCallCapacity was refused with 404")
        assert "Did you mean 'Reception'?" in refusal
        assert "no session arrived with this call, so it acted as System Admin" in refusal

    def test_a_page_of_the_same_site_is_told_that_it_has_to_ask_for_the_cookie(self, api: Api) -> None:
        page = {"Origin": f"http://{host_of(api).partition(':')[0]}:3000"}
        log_in(api, **page)
        api.ok("GET", RECEPTION, headers=page)
        assert "set the option credentials to include" in explanations(api)[1]

    def test_where_credentials_are_required_it_explains_the_401(self, simulation: Simulation, world: World) -> None:
        client = simulation.app(world, Settings(auth="required")).test_client(use_cookies=False)
        client.post("/api/v1/login/", json=CREDENTIALS, headers=PAGE)
        assert client.get(f"/api/v1/{RECEPTION}", headers=PAGE).status_code == 401
        said = (client.get("/_simulator/requests").json or {})["requests"][1]["explanation"]
        assert "but no session arrived with this call. A page sends" in said
        assert "it acted as" not in said

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"Origin": "http://localhost:3001"},
            {**PAGE, "Authorization": "Bearer foogroup-admin"},
            {"Origin": "HTTP://LOCALHOST:3000"},
        ],
    )
    def test_programs_other_pages_and_calls_with_credentials_are_not_explained(
        self, api: Api, headers: dict[str, str]
    ) -> None:
        log_in(api, **PAGE)
        for _ in range(4):
            api.ok("GET", RECEPTION, headers=headers)
        assert explanations(api)[1:] == [""] * 4

    def test_nor_is_a_call_with_its_session(self, api: Api) -> None:
        api.ok("POST", "login/", CREDENTIALS, headers=PAGE)
        api.ok("GET", RECEPTION, headers=PAGE)
        assert explanations(api)[1] == ""

    @pytest.mark.parametrize("path", ["reset", "logout"])
    def test_it_ends_with_the_sessions_of_the_page(self, api: Api, path: str) -> None:
        for _ in range(2):
            log_in(api, **PAGE)
            for _ in range(4):
                api.ok("GET", RECEPTION, headers=PAGE)
            assert "no session arrived" in explanations(api)[-1]
            api.arranged("POST", path)
            for _ in range(4):
                api.ok("GET", RECEPTION, headers=PAGE)
            assert explanations(api)[-4:] == [""] * 4

    def test_each_sandbox_has_its_own_pages(self, api: Api) -> None:
        log_in(api, **PAGE)
        other = Api(api.client, "pages-other")
        other.reset()
        other.ok("GET", RECEPTION, headers=PAGE)
        assert explanations(other) == [""]

    def test_the_log_says_it_once_and_each_line_names_the_account(
        self, own: Api, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", "simulator")
        log_in(own, **PAGE)
        for _ in range(4):
            own.ok("GET", RECEPTION, headers=PAGE)
        own.ok("GET", RECEPTION, headers={"Authorization": "Bearer foogroup-admin"})
        messages = [each.getMessage() for each in caplog.records if each.name.startswith("simulator.")]
        assert len([each for each in messages if "no session arrived" in each]) == 1
        accounts = [each.partition(" ms")[2] for each in messages if "/api/" in each and " ms" in each]
        assert accounts == [" as groupadmin", *[" as anonymous"] * 4, " as groupadmin"]


@pytest.mark.rule("A-8", "S-3", "S-10")
class TestHostileOrigins:
    def test_many_origins_are_kept_only_as_long_as_their_sessions(self, own: Api) -> None:
        for number in range(SESSIONS + 50):
            assert log_in(own, Origin=f"http://localhost:{number + 1}").is_success
        own.arranged("DELETE", "requests")
        for number in (0, 49, 50, SESSIONS + 49):
            own.ok("GET", RECEPTION, headers={"Origin": f"http://localhost:{number + 1}"})
        assert ["no session arrived" in each for each in explanations(own)] == [False, False, True, True]

    def test_many_origins_do_not_flood_the_log(self, own: Api, caplog: pytest.LogCaptureFixture) -> None:
        for number in range(MOST_WARNINGS + 50):
            log_in(own, Origin=f"http://localhost:{number + 1}")
        assert len([each for each in caplog.records if each.levelno == logging.WARNING]) == MOST_WARNINGS

    @pytest.mark.parametrize(
        "origin",
        [
            "",
            "http://",
            "http://[",
            "//localhost",
            "localhost",
            "http://localhost:3000/",
            "http://localhost:x",
            "http://localhost:123456",
            "http://localhost http://localhost:1",
            "http://u:hunter2xyz@localhost",
            "http://localhost?token=hunter2xyz",
            "http://l\u00f6calhost".encode(),
            "http://" + "x" * 300,
            "http://" + "x" * 60_000,
            "x" * 60_000 + "://localhost",
            "http://[" + ":" * 60_000 + "]",
            "null" * 15_000,
        ],
        ids=lambda origin: repr(origin)[:30],
    )
    def test_an_origin_that_no_browser_sends_is_no_page(
        self, own: Api, caplog: pytest.LogCaptureFixture, origin: str | bytes
    ) -> None:
        headers: Any = {"Origin": origin}
        response = own("POST", "login/", CREDENTIALS, headers=headers)
        own.client.cookies.clear()
        assert (response.status_code, WARNING in response.headers) == (200, False)
        own.ok("GET", RECEPTION, headers=headers)
        assert explanations(own) == ["", ""]
        assert "hunter2xyz" not in caplog.text

    @pytest.mark.parametrize("host", ["u:hunter2xyz@x", "localhost:hunter2xyz", "[hunter2xyz", "x" * 60_000])
    def test_a_host_that_is_none_is_not_repeated(self, own: Api, caplog: pytest.LogCaptureFixture, host: str) -> None:
        response = log_in(own, Host=host, **PAGE, **{"Sec-Fetch-Site": "cross-site"})
        assert response.headers[WARNING].startswith(
            "The page's origin http://localhost:3000 and the simulator are different sites"
        )
        own.ok("GET", RECEPTION, headers={"Host": host, **PAGE})
        assert all(len(each) < 2_000 for each in explanations(own))
        assert "hunter2xyz" not in caplog.text
        assert WARNING not in log_in(own, Host=host, **PAGE).headers


@pytest.mark.rule("A-9")
class TestLogout:
    @pytest.mark.parametrize("root", ["", None])
    def test_it_ends_the_session_whose_cookie_is_sent_and_deletes_the_cookie(self, api: Api, root: str | None) -> None:
        api.root = api.root if root is None else root
        api.reset()
        first, second = (api("POST", "login/", CREDENTIALS).cookies["sessionid"] for _ in range(2))
        api.client.cookies.clear()
        response = api.control("POST", "logout", headers={"Cookie": f'theme=dark; sessionid="{first}"'})
        assert (response.status_code, response.json()) == (200, {"ended": 1})
        name, *attributes = response.headers["Set-Cookie"].split("; ")
        assert name == "sessionid="
        assert {*attributes} == {"Max-Age=0", "HttpOnly", f"Path={api.root}/api/"}
        assert api.refused("GET", RECEPTION, headers={"Cookie": f"sessionid={first}"}) == (401, {("A-5", None)})
        assert api("GET", BARGROUP, headers={"Cookie": f"sessionid={second}"}).status_code == 403

    def test_without_a_cookie_it_ends_all_sessions_of_the_sandbox_and_of_no_other(self, api: Api) -> None:
        other = Api(api.client, "logout-other")
        other.reset()
        other.ok("POST", "login/", CREDENTIALS)
        for _ in range(2):
            api.ok("POST", "login/", CREDENTIALS)
        assert api.arranged("POST", "logout") == {"ended": 2}
        assert api.arranged("POST", "logout") == {"ended": 0}
        assert api("GET", RECEPTION).status_code == 200, "the client has deleted its cookie"
        assert other("GET", BARGROUP).status_code == 403

    def test_the_next_call_of_a_browser_gets_401_and_goes_on_without_the_cookie(self, api: Api) -> None:
        api.ok("POST", "login/", CREDENTIALS)
        httpx.post(f"{api.client.base_url}{api.root}/_simulator/logout")
        response = api("GET", RECEPTION)
        assert (response.status_code, "Max-Age=0" in response.headers["Set-Cookie"]) == (401, True)
        assert api("GET", RECEPTION).status_code == 200

    @pytest.mark.parametrize("cookie", ["sessionid=none", "sessionid=", "sessionid", "sessionid=" + "x" * 60_000])
    def test_an_unknown_session_ends_nothing(self, api: Api, cookie: str) -> None:
        session = api("POST", "login/", CREDENTIALS).cookies["sessionid"]
        assert api.arranged("POST", "logout", headers={"Cookie": cookie}) == {"ended": 0}
        twice = {"Cookie": f"sessionid={session}; sessionid={session}"}
        assert api.arranged("POST", "logout", headers=twice) == {"ended": 1}

    @pytest.mark.rule("S-2")
    def test_a_page_of_another_origin_may_not_log_anybody_out(self, api: Api) -> None:
        session = api("POST", "login/", CREDENTIALS).cookies["sessionid"]
        api.client.cookies.clear()
        assert api.control("POST", "logout", headers=PAGE).status_code == 403
        assert api("GET", BARGROUP, headers={"Cookie": f"sessionid={session}"}).status_code == 403

    @pytest.mark.rule("S-2")
    def test_the_page_of_a_development_server_that_passes_calls_on_may(self, api: Api) -> None:
        api.ok("POST", "login/", CREDENTIALS)
        through = {"Origin": "http://localhost:5173", "Host": "localhost:5173"}
        assert api.arranged("POST", "logout", headers=through) == {"ended": 1}

    @pytest.mark.rule("S-10")
    def test_the_memory_of_ended_sessions_is_free_again(self, simulation: Simulation, world: World) -> None:
        app = simulation.app(world)
        client = app.test_client(use_cookies=False)
        sandbox = app.wsgi_app.sandboxes.sandbox("default")  # type: ignore[attr-defined]
        client.post("/api/v1/login/", json=CREDENTIALS)
        client.post("/_simulator/logout")
        before = sandbox.added
        for number in range(5):
            client.post("/api/v1/login/", json=CREDENTIALS, headers={"Origin": f"http://localhost:{number % 2}"})
        assert sandbox.added > before + 5 * 250
        assert client.post("/_simulator/logout").json == {"ended": 5}
        assert sandbox.added == before

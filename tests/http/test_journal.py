"""The journal over HTTP: what a sandbox was asked, what it answered, and why."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from simulator.app import Simulation
from simulator.settings import Settings
from simulator.state.world import World
from tests.conftest import CAPACITIES, EXECUTIVE, Api, faults, wait_until

pytestmark = pytest.mark.rule("S-7")


def entry_of(api: Api, response: httpx.Response) -> Any:
    """Return the journal's entry for a call."""
    return api.arranged("GET", f"requests/{response.headers['X-Simulator-Request-Id']}")


class TestEntries:
    def test_an_entry_tells_the_whole_call(self, api: Api) -> None:
        response = api("PUT", f"{CAPACITIES}Reception/?x=1", {"maxCalls": 9}, headers={"X-Mine": "1"})
        entry = entry_of(api, response)
        assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.pop("time"))
        assert 0 < entry.pop("durationMs") < 5_000
        request, answer = entry.pop("request"), entry.pop("response")
        assert entry.pop("replay")["replayable"]
        assert entry == {
            "id": response.headers["X-Simulator-Request-Id"],
            "sandbox": api.root.rpartition("/")[2],
            "operationId": "updateCallCapacity",
            "method": "PUT",
            "path": f"/api/v1/{CAPACITIES}Reception/",
            "query": "x=1",
            "status": 200,
            "account": "anonymous",
            "assumed": ["G-4", "G-13", "A-6"],
            "ignored": ["?x"],
        }
        assert (request["body"], request["bodyBytes"]) == ({"maxCalls": 9}, len('{"maxCalls":9}'))
        assert request["headers"]["X-Mine"] == "1"
        assert request["headers"]["Host"] == f"{api.client.base_url.host}:{api.client.base_url.port}"
        assert (answer["body"], answer["bodyBytes"]) == (response.json(), len(response.content))
        assert answer["headers"]["Content-Type"] == "application/json"

    def test_an_unknown_name_in_the_path_has_a_suggestion(self, api: Api) -> None:
        entry = entry_of(api, api("GET", CAPACITIES.replace("foogroup", "fogroup")))
        assert entry["suggestion"] == {"asked": "fogroup", "meant": "foogroup"}
        for method, path, body in [
            ("GET", CAPACITIES.replace("foogroup", "zzz"), None),
            ("PUT", f"{CAPACITIES}Reception/", {"maxCall": 1}),
            ("GET", CAPACITIES, None),
        ]:
            assert "suggestion" not in entry_of(api, api(method, path, body))

    def test_a_refusal_names_its_rule_and_what_that_rests_on(self, api: Api) -> None:
        entry = entry_of(api, api("POST", CAPACITIES, {"name": "available_users", "isDefault": True, "maxCalls": 1}))
        assert (entry["status"], entry["rule"], entry["basis"]) == (400, "CC-3", ["platform", "assumed"])

    @pytest.mark.parametrize(
        ("method", "path", "body", "said"),
        [
            ("GET", "tenants/Foo/groups/foogroup/services/call_capacities/", None, "Did you mean 'foo'?"),
            ("GET", "tenants/foo/groups/foogruop/services/call_capacities/", None, "Did you mean 'foogroup'?"),
            ("GET", f"{CAPACITIES}reception/", None, "Did you mean 'Reception'?"),
            (
                "GET",
                f"{EXECUTIVE.replace('foouser', 'fooser')}alerting/",
                None,
                "Did you mean 'foouser@sip.netaxis.be'?",
            ),
            ("GET", f"{EXECUTIVE}criteria/foocriterai/", None, "Did you mean 'foocriteria'?"),
            ("PUT", f"{EXECUTIVE}filtering/", {"criteria": [{"name": "foocriterium"}]}, "Did you mean 'foocriteria'?"),
            ("PUT", f"{CAPACITIES}Reception/", {"maxcalls": 1}, "At /maxcalls: is not a documented attribute"),
            ("PUT", f"{CAPACITIES}Reception/", {"maxcalls": 1}, "Did you mean 'maxCalls'?"),
            ("POST", "login/", {"username": "x"}, "At /password: is required."),
            ("GET", f"{EXECUTIVE}alertin/", None, "/executive/alerting/ with GET (getAlerting), PUT (updateAlerting)"),
            ("GET", CAPACITIES.rstrip("/"), None, "The slash at the end is missing: /_sandboxes/"),
            ("GET", f"{EXECUTIVE}criteria/", None, "documented: POST"),
            ("GET", f"{CAPACITIES}xyz/", None, "Rule G-9 (vendor): An unknown tenant, group"),
            ("POST", CAPACITIES, {}, "At /maxCalls: is required."),
            ("PUT", f"{CAPACITIES}Reception/", {"q": 1, **{str(i): 1 for i in range(20)}}, "There are 11 more faults."),
        ],
    )
    def test_the_explanation_says_what_would_have_been_right(
        self, api: Api, method: str, path: str, body: Any, said: str
    ) -> None:
        response = api(method, path, body)
        explanation = entry_of(api, response)["explanation"]
        assert said in explanation
        assert explanation.count("Rule ") == len({rule for rule, _ in faults(response)})

    @pytest.mark.parametrize(
        ("path", "nearest"),
        [
            (
                "/tenants/foo/groups/g/services/call_capacities/",
                "/api/v1/tenants/foo/groups/g/services/call_capacities/ with",
            ),
            (
                "/api/v1/call_capacities/Reception/",
                "/api/v1/tenants/{tenant_id}/groups/{group_id}/services/call_capacities/",
            ),
            ("/api/v1/logon/", "/api/v1/login/ with POST (login)."),
            ("/", "with"),
        ],
    )
    def test_the_nearest_path_is_one_that_the_asked_one_resembles(self, api: Api, path: str, nearest: str) -> None:
        said = entry_of(api, api.client.get(api.root + path))["explanation"]
        assert f"The nearest path that there is: {nearest if nearest != 'with' else ''}" in said

    def test_what_is_assumed_is_called_so(self, api: Api) -> None:
        said = entry_of(api, api("PUT", f"{CAPACITIES}Reception/", {"unknown": 1}))["explanation"]
        assert "Rule G-4 (assumed by the simulator)" in said
        said = entry_of(api, api("GET", CAPACITIES[:-1]))["explanation"]
        assert "Rule G-1 (documented, vendor, in part assumed by the simulator)" in said

    @pytest.mark.parametrize(
        ("body", "shown"),
        [
            (b"plain text", "plain text"),
            (b'{"a": ', '{"a": '),
            (b"\xff", "�"),
            (b"null", "null"),
            (b"[1,2]", [1, 2]),
            (b'{"a": 1.50}', {"a": 1.5}),
            (b"[" * 600 + b"]" * 600, "[" * 600 + "]" * 600),
        ],
    )
    def test_a_body_is_shown_as_json_or_else_as_text(self, api: Api, body: bytes, shown: Any) -> None:
        entry = entry_of(api, api("POST", "nowhere/", content=body))
        assert entry["request"]["body"] == shown

    @pytest.mark.rule("S-3")
    def test_of_a_large_body_the_beginning_is_kept(self, api: Api) -> None:
        entry = entry_of(api, api("PUT", f"{CAPACITIES}Reception/", content=b'{"name": "' + b"x" * 100_000 + b'"}'))
        request = entry["request"]
        assert (len(request["body"]), request["bodyBytes"], request["bodyCut"]) == (65_536, 100_012, True)

    @pytest.mark.rule("S-3")
    def test_of_a_body_that_redaction_lengthens_too(self, api: Api) -> None:
        body = {"a": [{"token": 1}] * 5_000}
        request = entry_of(api, api("PUT", f"{CAPACITIES}Reception/", body))["request"]
        assert (len(request["body"]), request["bodyCut"]) == (65_536, True)

    @pytest.mark.rule("S-3")
    def test_of_a_body_over_the_limit_the_size_is_kept(self, api: Api) -> None:
        entry = entry_of(api, api("PUT", f"{CAPACITIES}Reception/", content=b"x" * 1_200_000))
        assert (entry["status"], entry["request"]["bodyBytes"]) == (413, 1_200_000)

    @pytest.mark.rule("S-3")
    def test_of_a_large_answer_too(self, api: Api) -> None:
        names = [f"{number:03}" + "x" * 77 for number in range(600)]
        capacities = [{"name": name, "isDefault": False, "maxCalls": 1} for name in names]
        group = {"callCapacities": capacities}
        api.arranged("PATCH", "state", {"tenants": {"foo": {"groups": {"foogroup": group}}}})
        response = entry_of(api, api("GET", CAPACITIES))["response"]
        assert (len(response["body"]), response["bodyCut"]) == (65_536, True)
        assert response["bodyBytes"] > 65_536

    def test_its_time_is_that_of_the_beginning(self, api: Api) -> None:
        api.arranged("POST", "faults", {"operationId": "*", "delayMs": 1_000})
        response = api("GET", CAPACITIES)
        after = datetime.now(UTC)
        entry = entry_of(api, response)
        assert datetime.fromisoformat(entry["time"]) < after - timedelta(seconds=0.9)

    @pytest.mark.rule("S-3")
    def test_of_a_long_header_the_beginning_is_kept(self, api: Api) -> None:
        headers = {"X-" + "n" * 5_000: "v" * 5_000}
        kept = entry_of(api, api("GET", CAPACITIES, headers=headers))["request"]["headers"]
        assert max(len(name) for name in kept) < 4_100
        assert max(len(value) for value in kept.values()) == 4_000

    @pytest.mark.parametrize(
        "path",
        ["tenants/foo/groups/a%2Fb/services/call_capacities/", "%ff/"],
    )
    @pytest.mark.rule("G-16")
    def test_a_path_that_cannot_be_read_stands_in_the_journal_of_its_own_sandbox(self, api: Api, path: str) -> None:
        assert entry_of(api, api("GET", path))["rule"] == "G-16"


class TestSecrets:
    def test_no_password_token_or_session_id_is_ever_in_it(self, api: Api) -> None:
        session = api("POST", "login/", {"username": "groupadmin", "password": "secret"}).cookies["sessionid"]
        word = "hunter2-0123456789"
        for body in ({"username": "groupadmin", "password": word}, {"password": {"a": word}}, {"password": [word]}):
            api("POST", "login/", body)
        api("POST", "login/", {"username": "x", "password": 987654321})
        api("POST", "login/", content=f'{{"username": "a", "password": "{word}"'.encode())
        api("POST", "login/", content=f"username=a&password={word}".encode())
        api("POST", "logon/", {"password": word})
        api("GET", f"{CAPACITIES}?token={word}&password={word}")
        api("GET", CAPACITIES, headers={"Authorization": f"Bearer {word}"})
        api("GET", CAPACITIES, headers={"Authorization": word})
        api("GET", CAPACITIES, headers={"Authorization": "Bearer foogroup-admin"})
        api("GET", CAPACITIES, headers={"Cookie": f"sessionid={session}"})
        api("GET", CAPACITIES, headers={"Cookie": f"sessionid={word}", "X-Auth-Token": word})
        journal = api.control("GET", "requests").text
        assert json.loads(journal)["total"] == 14
        for secret in (word, session, "987654321", "foogroup-admin"):
            assert secret not in journal
        assert "groupadmin" in journal

    @pytest.mark.parametrize(
        ("path", "options"),
        [
            ("login/", {"content": b'"{\\"password\\": \\"hunter2xyz\\"}"'}),
            ("login/", {"content": b'"password=hunter2xyz"'}),
            ("login/", {"json": {"password=hunter2xyz": 1}}),
            ("login/", {"json": ["sysadmin", "password", "hunter2xyz"]}),
            ("login/", {"json": {"name": "password", "value": "hunter2xyz"}}),
            ("login/", {"json": {"username": ["hunter2xyz"], "password": "x"}}),
            ("login/", {"json": {"pwd": "hunter2xyz"}}),
            ("logon/", {"json": ["sysadmin", "password", "hunter2xyz"]}),
            ("logon/", {"json": {"userPass": "hunter2xyz", "jwt": "hunter2xyz", "pin": "hunter2xyz"}}),
            ("logon/", {"json": {"url": "https://u:hunter2xyz@host/?token=hunter2xyz"}}),
            ("logon/", {"content": b"username=a&%70assword=hunter2xyz"}),
            ("logon/", {"content": '{"password": "hunter2xyz"}'.encode("utf-16")}),
            ("logon/?next=/x?token=hunter2xyz", {}),
            ("logon/?next=%2Fx%3Ftoken%3Dhunter2xyz", {}),
            ("logon/?a=1;token=hunter2xyz", {}),
            ('logon/?q={"password":"hunter2xyz"}', {}),
            ("logon/?token:hunter2xyz", {}),
            ("logon/?%2570assword=hunter2xyz", {}),
            ("logon/?pw=hunter2xyz", {}),
            ("logon/?a=Bearer%20hunter2xyz", {}),
            ("logon/%3Fpw=hunter2xyz", {}),
            ("logon/%3Fpw%3Dhunter2xyz", {}),
            ("logon/%253Fpw%253Dhunter2xyz", {}),
            ("logon/Bearer%20hunter2xyz/", {}),
            ("logon/Bearer%2520hunter2xyz/", {}),
            ("login/;jsessionid=hunter2xyz", {}),
            ("login/%3Fpassword=hunter2xyz", {}),
            ("login/", {"headers": {"Content-Type": "token=hunter2xyz"}, "content": b"{}"}),
            ("login/", {"headers": {"Referer": "http://a/?token=hunter2xyz"}}),
            ("login/", {"headers": {"X-Auth": "hunter2xyz", "X-Jwt": "hunter2xyz", "X-Csrf": "hunter2xyz"}}),
            ("login/", {"headers": {"Autorization": "Bearer hunter2xyz", "X-A": "sessionid=hunter2xyz"}}),
            ("login/", {"headers": {"Origin": "http://u:hunter2xyz@x"}}),
            ("login/", {"headers": {"Host": "u:hunter2xyz@x"}}),
        ],
        ids=lambda _: "",
    )
    def test_nor_when_it_comes_by_a_side_way(
        self, api: Api, path: str, options: dict[str, Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", "simulator")
        api("POST", path, **options)
        journal = api.control("GET", "requests").text
        assert json.loads(journal)["total"] == 1
        text = journal.replace("\\u0000", "") + api.control("GET", "coverage").text + caplog.text
        assert "hunter2xyz" not in text

    def test_a_path_made_to_be_slow_is_answered_and_in_it_within_the_time_of_a_client(self, api: Api) -> None:
        response = api("GET", "=" + "pass" * 15_000)
        assert (response.status_code, entry_of(api, response)["path"]) == (404, "/api/v1/=" + "pass" * 15_000)

    @pytest.mark.parametrize("name", ["token ring", "Sekretariat", "passage", "Authority: none", "100 % basic"])
    def test_a_name_that_only_sounds_like_one_stays_readable(self, api: Api, name: str) -> None:
        body = {"name": name, "isDefault": False, "maxCalls": 1}
        assert entry_of(api, api("POST", CAPACITIES, body))["request"]["body"] == body

    def test_the_account_of_a_call_is(self, api: Api) -> None:
        assert (
            entry_of(api, api("GET", CAPACITIES, headers={"Authorization": "Bearer foogroup-admin"}))["account"]
            == "groupadmin"
        )
        assert (
            entry_of(api, api("POST", "login/", {"username": "sysadmin", "password": "secret"}))["account"]
            == "sysadmin"
        )
        assert "account" not in entry_of(api, api("GET", CAPACITIES, headers={"Authorization": "Bearer nobody"}))


class TestLists:
    def test_the_newest_stands_last_and_total_counts_all_that_match(self, api: Api) -> None:
        for number in range(5):
            api("GET", f"{CAPACITIES}n{number}/")
        answer = api.arranged("GET", "requests?limit=2")
        assert answer["total"] == 5
        assert [each["path"][-3:] for each in answer["requests"]] == ["n3/", "n4/"]
        nothing = api.arranged("GET", "requests?limit=0")
        assert (nothing["total"], nothing["requests"]) == (5, [])

    @pytest.mark.parametrize(
        ("query", "total"),
        [
            ("operationId=getCallCapacity", 2),
            ("method=put", 1),
            ("status=404", 2),
            ("status=4xx", 3),
            ("status=2xx", 1),
            ("rule=G-9", 1),
            ("rule=CC-4", 1),
            (f"path=/api/v1/{CAPACITIES}Reception/", 2),
            ("path=*/call_capacities/*", 3),
            ("path=*Rec?ption*", 0),
            ("path=*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*z", 0),
            ("path=*", 4),
            ("path=/api/*/Reception/", 2),
            ("path=*/*none/", 1),
            ("path=*nowhere*here/", 0),
            ("path=*now*here/", 1),
            ("path=/api/v1/nowhere/*/", 0),
            ("path=/api/v1/nowhere*/", 1),
            ("status=4xx&method=GET", 2),
            ("operationId=getCallCapacity&status=200", 1),
            ("account=anonymous", 3),
            ("account=anonym", 0),
            ("account=groupadmin", 0),
            ("text=CAPACITIES/RECEPTION/&account=anonymous", 2),
            ('text={"maxcalls":-1}', 1),
            ("text=did you mean", 0),
            ("text=Rule CC-4", 1),
            ("text=/none/&operationId=getCallCapacity", 1),
        ],
    )
    def test_filters_can_be_combined(self, api: Api, query: str, total: int) -> None:
        api("GET", f"{CAPACITIES}Reception/")
        api("PUT", f"{CAPACITIES}Reception/", {"maxCalls": -1})
        api("GET", f"{CAPACITIES}none/")
        api("GET", "nowhere/")
        assert api.arranged("GET", f"requests?{query}")["total"] == total

    def test_a_text_is_found_in_queries_explanations_accounts_and_bodies_of_any_kind(self, api: Api) -> None:
        api("GET", f"{CAPACITIES}?mark=ÄB", headers={"Authorization": "Bearer foogroup-admin"})
        api("PUT", f"{CAPACITIES}Reception/", content=b"\xff\0 STRASSE \xc3\x89")
        api("GET", CAPACITIES.replace("foogroup", "fogroup"))
        for text, place in (("MARK=%c3%84b", 0), ("GroupAdm", 0), ("straße é", 1), ("DID YOU MEAN", 2)):
            found = api.arranged("GET", "requests", params={"text": text})["requests"]
            assert found == [api.arranged("GET", "requests")["requests"][place]], text

    def test_before_an_id_or_a_cursor_shows_what_came_earlier_the_newest_of_it(self, api: Api) -> None:
        ids = [api("GET", CAPACITIES).headers["X-Simulator-Request-Id"] for _ in range(7)]
        cursor = api.arranged("GET", "requests?limit=1")["cursor"]
        assert [each["id"] for each in api.arranged("GET", f"requests?before={cursor}")["requests"]] == ids[:-1]
        seen: list[str] = []
        before = ""
        while True:
            page = api.arranged("GET", f"requests?limit=3{before}")["requests"]
            if not page:
                break
            seen = [*(each["id"] for each in page), *seen]
            before = f"&before={page[0]['id']}"
        assert seen == ids
        earlier = api.arranged("GET", f"requests?before={ids[4]}&limit=2")
        assert (earlier["total"], [each["id"] for each in earlier["requests"]]) == (4, ids[2:4])

    def test_since_an_id_shows_what_came_later(self, api: Api) -> None:
        first = api("GET", CAPACITIES).headers["X-Simulator-Request-Id"]
        api("GET", f"{CAPACITIES}Reception/")
        later = api.arranged("GET", f"requests?since={first}")
        assert [each["operationId"] for each in later["requests"]] == ["getCallCapacity"]

    def test_with_the_cursor_each_call_is_shown_once_in_the_order_of_the_answers(self, api: Api) -> None:
        api.arranged("POST", "faults", {"operationId": "getCallCapacity", "delayMs": 300, "times": 1})
        shown: list[str] = []

        def look() -> str:
            answer = api.arranged("GET", f"requests{f'?since={cursor}' if cursor else ''}")
            shown.extend(each["operationId"] for each in answer["requests"])
            return str(answer["cursor"])

        cursor = ""
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(api, "GET", f"{CAPACITIES}Reception/")
            wait_until(lambda: api.arranged("GET", "faults")["faults"][0]["hits"])
            api("GET", CAPACITIES)
            cursor = look()
            assert shown == ["listCallCapacities"]
            slow.result()
        api("DELETE", f"{CAPACITIES}Reception/")
        cursor = look()
        cursor = look()
        assert shown == ["listCallCapacities", "getCallCapacity", "deleteCallCapacity"]
        api.arranged("POST", "reset")
        cursor = look()
        api("GET", f"{CAPACITIES}available_users/")
        cursor = look()
        assert shown[3:] == ["listAvailableCallCapacityUsers"]

    def test_after_a_cursor_the_oldest_come_first_and_none_is_left_out(self, api: Api) -> None:
        cursor = api.arranged("GET", "requests")["cursor"]
        ids = [api("GET", CAPACITIES).headers["X-Simulator-Request-Id"] for _ in range(5)]
        shown: list[str] = []
        for _ in range(3):
            answer = api.arranged("GET", f"requests?since={cursor}&limit=2")
            cursor = answer["cursor"]
            shown.extend(each["id"] for each in answer["requests"])
        assert shown == ids
        assert api.arranged("GET", f"requests?since={cursor}&limit=0")["cursor"] == cursor
        api("GET", CAPACITIES)
        assert api.arranged("GET", f"requests?since={cursor}&limit=0")["cursor"] == cursor

    def test_a_cursor_leads_on_when_the_sandbox_was_made_anew(self, api: Api) -> None:
        for _ in range(3):
            api("GET", CAPACITIES)
        cursor = api.arranged("GET", "requests")["cursor"]
        assert api.client.delete(f"/_simulator/sandboxes/{api.root.rpartition('/')[2]}").is_success
        made = api("GET", CAPACITIES).headers["X-Simulator-Request-Id"]
        assert [each["id"] for each in api.arranged("GET", f"requests?since={cursor}")["requests"]] == [made]

    @pytest.mark.parametrize(
        ("query", "rule"),
        [
            ("operationId=getCapacity", "S-7"),
            ("rule=CC-99", "S-7"),
            ("status=teapot", "S-1"),
            ("status=9xx", "S-1"),
            ("limit=-1", "S-1"),
            ("limit=all", "S-1"),
            ("limit=1&limit=2", "S-1"),
            ("since=yesterday", "S-7"),
            ("since=000000-1", "S-7"),
            ("since=000000@1", "S-7"),
            ("since=000000-" + "9" * 5_000, "S-7"),
            ("before=yesterday", "S-7"),
            ("before=000000@1", "S-7"),
            ("since=000000@1&before=000000@1", "S-7"),
            ("text=", "S-1"),
            ("text=a&text=b", "S-1"),
            ("operationid=x", "S-1"),
        ],
    )
    def test_a_filter_that_nothing_could_match_is_refused(self, api: Api, query: str, rule: str) -> None:
        api("GET", CAPACITIES)
        response = api.control("GET", f"requests?{query}")
        assert (response.status_code, faults(response)) == (400, {(rule, None)})

    def test_an_unknown_id_is_404(self, api: Api) -> None:
        response = api.control("GET", "requests/000000-1")
        assert (response.status_code, faults(response)) == (404, {("S-7", None)})

    def test_deleting_empties_it(self, api: Api) -> None:
        api("GET", CAPACITIES)
        assert api.control("DELETE", "requests").status_code == 204
        nothing = api.arranged("GET", "requests")
        assert (nothing["total"], nothing["requests"]) == (0, [])

    @pytest.mark.rule("S-1")
    def test_the_control_interface_is_not_in_it_and_a_preflight_is(self, api: Api) -> None:
        for path in ("state", "requests", "coverage", "nowhere", "health"):
            api.control("GET", path)
        headers = {"Origin": "http://a.example", "Access-Control-Request-Method": "PUT"}
        api("OPTIONS", CAPACITIES, headers=headers)
        entries = api.arranged("GET", "requests")["requests"]
        assert [(each["method"], each["status"]) for each in entries] == [("OPTIONS", 204)]

    def test_each_sandbox_has_its_own(self, api: Api) -> None:
        other = Api(api.client, "another-journal")
        other.reset()
        api("GET", CAPACITIES)
        assert other.arranged("GET", "requests")["total"] == 0

    @pytest.mark.rule("S-3")
    def test_its_bounds_can_be_set(self, simulation: Simulation, world: World) -> None:
        for settings, kept in ((Settings(journal_limit=2), 2), (Settings(journal_limit=0), 0)):
            client = simulation.app(world, settings).test_client()
            for _ in range(4):
                client.get(f"/api/v1/{CAPACITIES}")
            answer = client.get("/_simulator/requests").json
            assert answer is not None
            assert answer["total"] == kept

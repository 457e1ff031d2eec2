"""The pages of the calls: what they show of the journal, and how safely they show it."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from simulator.console.calls import Place, body_lines, explained, path_parts, suggested_page
from simulator.state.journal import BODY_KEPT
from tests.conftest import CAPACITIES, EXECUTIVE, Api
from tests.http.test_console import BROWSER

pytestmark = pytest.mark.rule("S-7", "S-11")

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>javascript:alert(1)</textarea>'
EMPTY = {"img", "input", "link", "meta", "br", "wbr", "hr"}


class Page(HTMLParser):
    """A page that was read: its elements in order, each with its attributes and all the text in it."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        assert response.status_code == 200, response.text
        self.address = str(response.url)
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self._open: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = (tag, {name: value or "" for name, value in attrs}, list[str]())
        self.elements.append(element)
        if tag not in EMPTY:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for _, _, texts in self._open:
            texts.append(data)

    def all(self, tag: str, **attributes: str) -> list[tuple[dict[str, str], str]]:
        """Return attributes and text of each element with these attributes."""
        return [
            (attrs, "".join(texts).strip())
            for name, attrs, texts in self.elements
            if name == tag and attributes.items() <= attrs.items()
        ]

    def texts(self, tag: str, **attributes: str) -> list[str]:
        """Return the texts of these elements."""
        return [text for _, text in self.all(tag, **attributes)]

    def link(self, text: str) -> str:
        """Return the whole address of the only link with this text."""
        [(attrs, _)] = [each for each in self.all("a") if each[1] == text]
        return urljoin(self.address, attrs["href"])


def page_of(api: Api, path: str, **options: Any) -> Page:
    return Page(api.control("GET", path, headers=BROWSER, **options))


def page_of_call(api: Api, response: httpx.Response) -> Page:
    return page_of(api, f"requests/{response.headers['X-Simulator-Request-Id']}")


def rows(page: Page) -> list[str]:
    """Return the ids of the calls that a list shows, in its order."""
    return [attrs["id"].removeprefix("call-") for attrs, _ in page.all("tr") if "data-row" in attrs]


class TestList:
    def test_it_shows_the_newest_call_first_and_leads_to_it(self, api: Api) -> None:
        api.ok("GET", CAPACITIES)
        api.refused("GET", CAPACITIES.replace("foogroup", "fogroup"))
        page = page_of(api, "requests")
        assert rows(page) == [each["id"] for each in reversed(api.arranged("GET", "requests")["requests"])]
        [table] = page.texts("table")
        assert table.index("fogroup") < table.index("foogroup")
        newest = rows(page)[0]
        [(attrs, _)] = [each for each in page.all("a") if each[0]["href"].endswith(newest)]
        assert api.client.get(urljoin(page.address, attrs["href"]), headers=BROWSER).status_code == 200

    def test_the_ids_in_a_path_are_emphasised(self, api: Api) -> None:
        api.ok("GET", f"{CAPACITIES}Reception/")
        page = page_of(api, "requests")
        assert [text for text in page.texts("b") if text in ("foo", "foogroup", "Reception")] == [
            "foo",
            "foogroup",
            "Reception",
        ]

    @pytest.mark.parametrize(
        "filters",
        [
            {"text": "foGROUP"},
            {"status": "4xx"},
            {"status": "404"},
            {"method": "PUT"},
            {"operationId": "getScreening"},
            {"rule": "G-9"},
            {"account": "foouser"},
            {"status": "4xx", "method": "PUT"},
            {"path": "*/screening/"},
        ],
    )
    def test_a_filter_shows_the_calls_that_a_program_gets(self, api: Api, filters: dict[str, str]) -> None:
        api.ok("GET", CAPACITIES)
        api.refused("GET", CAPACITIES.replace("foogroup", "fogroup"))
        api.refused("PUT", f"{CAPACITIES}Reception/", {"maxCalls": -1})
        api.ok("GET", f"{EXECUTIVE}screening/", headers={"Authorization": "Bearer foouser"})
        found = api.arranged("GET", "requests", params=filters)["requests"]
        page = page_of(api, "requests", params=filters)
        assert 0 < len(found) < 4
        assert rows(page) == [each["id"] for each in reversed(found)]
        chosen = {attrs["value"] for attrs, _ in page.all("option") if "selected" in attrs}
        typed = {attrs["value"] for attrs, _ in page.all("input") if attrs.get("value")}
        assert set(filters.values()) <= chosen | typed

    def test_empty_fields_of_the_form_are_no_filters(self, api: Api) -> None:
        api.ok("GET", CAPACITIES)
        assert len(rows(page_of(api, "requests?text=&status=&method=&operationId=&rule=&account="))) == 1

    def test_a_filter_that_nothing_matches_says_so(self, api: Api) -> None:
        api.ok("GET", CAPACITIES)
        assert "No call matches." in page_of(api, "requests?status=5xx").texts("p")

    def test_older_calls_are_on_the_next_pages_with_the_same_filters(self, api: Api) -> None:
        for _ in range(5):
            api.ok("GET", CAPACITIES)
            api.refused("GET", CAPACITIES.replace("foogroup", "fogroup"))
        wanted = [each["id"] for each in reversed(api.arranged("GET", "requests?status=404")["requests"])]
        page, seen = page_of(api, "requests?status=404&limit=2"), list[str]()
        while True:
            seen += rows(page)
            if "Older calls" not in page.texts("a"):
                break
            page = Page(api.client.get(page.link("Older calls"), headers=BROWSER))
        assert seen == wanted
        newest = Page(api.client.get(page.link("Newest calls"), headers=BROWSER))
        assert rows(newest) == wanted[:2]

    @pytest.mark.parametrize("statuses", ["4xx", "5xx"])
    def test_a_class_of_statuses_is_one_click_away_and_keeps_the_other_filters(self, api: Api, statuses: str) -> None:
        api.ok("GET", CAPACITIES)
        page = page_of(api, "requests?method=GET")
        assert page.link(f"Only {statuses}").endswith(f"requests?method=GET&status={statuses}")

    def test_the_status_comes_first(self, api: Api) -> None:
        api.ok("GET", CAPACITIES)
        page = page_of(api, "requests")
        assert page.texts("th")[0] == "Status"
        assert page.texts("td")[0] == "200"

    def test_while_nothing_has_happened_it_shows_a_call_that_succeeds(self, api: Api) -> None:
        api.reset()
        page = page_of(api, "requests")
        [command] = page.texts("pre", id="first-call")
        assert command == api.arranged("GET", "")["command"]
        assert not page.all("table")

    def test_a_call_tells_its_fault_and_what_was_ignored(self, api: Api) -> None:
        api.ok("GET", f"{CAPACITIES}?x=1")
        [fault] = [api.arranged("POST", "faults", {"operationId": "listCallCapacities", "abort": "close"})]
        with pytest.raises(httpx.RemoteProtocolError):
            api("GET", CAPACITIES)
        chips = page_of(api, "requests").texts("span")
        assert {f"fault {fault['id']}", "closed", "1 ignored"} <= set(chips)


class TestCall:
    @pytest.mark.parametrize(
        ("path", "question", "shown"),
        [
            (CAPACITIES.replace("/foo/", "/fooo/"), "Did you mean 'foo'?", "world"),
            (CAPACITIES.replace("foogroup", "fogroup"), "Did you mean 'foogroup'?", "world/foo/foogroup"),
            (f"{CAPACITIES}Receptio/", "Did you mean 'Reception'?", "world/foo/foogroup"),
            (
                f"{EXECUTIVE}screening/".replace("foouser", "fouser"),
                "Did you mean 'foouser@sip.netaxis.be'?",
                "world/foo/foogroup/foouser%40sip.netaxis.be",
            ),
        ],
    )
    def test_it_is_explained_and_the_name_that_was_meant_is_a_link(
        self, api: Api, path: str, question: str, shown: str
    ) -> None:
        page = page_of_call(api, api("GET", path))
        [explanation] = page.texts("section", **{"class": "explanation"})
        rule = next(each for each in api.arranged("GET", "rules")["rules"] if each["id"] == "G-9")
        assert "was refused with 404, Unknown resource." in explanation
        assert explanation.count(rule["statement"]) == 1
        assert {"G-9", *rule["basis"]} <= {*page.texts("a"), *page.texts("span")}
        place = page.link(question)
        assert place == f"{api.client.base_url}{api.root}/_simulator/{shown}"
        assert api.client.get(place).status_code == 200

    def test_every_fault_is_marked_at_its_place_in_the_body(self, api: Api) -> None:
        body = {"maxCalls": -1, "maxIncomingCalls": 3, "maxOutgoingCalls": "x", "colour": {"a": 1}}
        page = page_of_call(api, api("PUT", f"{CAPACITIES}Reception/", body))
        assert page.texts("mark") == ['"maxCalls": -1', '"maxOutgoingCalls": "x"', '"colour": {']
        reasons = page.texts("span", **{"class": "reason"})
        assert reasons[0] == "must be 0 or more, not -1 (CC-4)"
        assert reasons[2].endswith("(G-4)")

    def test_an_item_of_a_list_and_a_missing_attribute_have_a_place(self, api: Api) -> None:
        page = page_of_call(api, api("PUT", f"{CAPACITIES}Reception/", {"userIds": ["user_1", "nobody"]}))
        assert page.texts("mark") == ['"nobody"']
        page = page_of_call(api, api("POST", CAPACITIES, {"maxCalls": 1}))
        assert page.texts("mark") == ["{"]

    def test_what_was_ignored_is_named_and_marked(self, api: Api) -> None:
        response = api("PUT", f"{CAPACITIES}Reception/?x=1", {"maxCalls": 9, "users": []})
        page = page_of_call(api, response)
        assert {"?x", "/users"} <= set(page.texts("code"))
        assert page.texts("mark") == ['"users": []']
        assert page.texts("span", **{"class": "reason"}) == ["ignored"]

    def test_the_copies_are_those_of_the_journal(self, api: Api) -> None:
        response = api("PUT", f"{CAPACITIES}Reception/", {"maxCalls": 9})
        replay = api.arranged("GET", f"requests/{response.headers['X-Simulator-Request-Id']}")["replay"]
        page = page_of_call(api, response)
        for name in ("command", "fetch", "httpx"):
            assert page.texts("pre", id=f"as-{name}") == [replay[name]]

    @pytest.mark.parametrize(
        ("method", "path", "options", "reason"),
        [
            ("POST", "login/", {"json": {"username": "groupadmin", "password": "secret"}}, "secret from the body"),
            ("PUT", f"{CAPACITIES}Reception/", {"json": {"name": "x" * BODY_KEPT}}, "only the beginning of the body"),
            ("GET", f"{CAPACITIES}?token=abc", {}, "secret from the query"),
            ("GET", CAPACITIES, {"content": b"{}"}, "a browser cannot send it"),
            ("PUT", f"{CAPACITIES}Reception/", {"content": b"\xff\xfe"}, "its body is not text"),
        ],
    )
    def test_a_call_that_cannot_be_replayed_says_why(
        self, api: Api, method: str, path: str, options: dict[str, Any], reason: str
    ) -> None:
        page = page_of_call(api, api(method, path, **options))
        buttons = {text: attrs for attrs, text in page.all("button")}
        assert "disabled" in buttons["Replay"]
        assert "disabled" in buttons["Edit and send"]
        [said] = page.texts("p", id=buttons["Replay"]["aria-describedby"])
        assert reason in said

    def test_a_cut_body_says_what_is_missing(self, api: Api) -> None:
        page = page_of_call(api, api("PUT", f"{CAPACITIES}Reception/", {"name": "x" * BODY_KEPT}))
        note = next(text for text in page.texts("small") if "cut" in text)
        size = BODY_KEPT + len('{"name":""}')
        assert note == f"{size:,} bytes; cut: the journal keeps only the beginning of a body of this size"

    def test_a_replay_sends_the_call_byte_for_byte(self, api: Api) -> None:
        body, headers = '{"maxCalls":  1.0,\r\n "a": "\u202e\'", "a": 1}', {"Content-Type": "application/json"}
        page = page_of_call(api, api("PUT", f"{CAPACITIES}a%20b/?x=%2F", content=body.encode(), headers=headers))
        [(form, _)] = page.all("form", id="replay")
        assert (form["data-method"], json.loads(form["data-body"]), json.loads(form["data-headers"])) == (
            "PUT",
            body,
            headers,
        )
        [(target, _)] = page.all("input", name="target")
        assert target["value"] == f"/api/v1/{CAPACITIES}a%20b/?x=%2F"
        assert urljoin(page.address, form["action"]) == f"{api.client.base_url}{api.root}/"

    def test_a_replay_may_act_as_each_account_that_has_a_token(self, api: Api) -> None:
        response = api("GET", f"{EXECUTIVE}screening/", headers={"Authorization": "Bearer foouser"})
        page = page_of_call(api, response)
        accounts = [each for each in api.arranged("GET", "accounts")["accounts"] if "token" in each]
        options = page.all("option")
        assert {(each["token"], each["name"]) for each in accounts} <= {
            (attrs.get("value"), text) for attrs, text in options
        }
        assert [text for attrs, text in options if "selected" in attrs and attrs.get("value") == "foouser"] == [
            "foouser"
        ]

    def test_the_form_of_a_fault_has_the_operation_its_ids_and_its_documented_statuses(self, api: Api) -> None:
        page = page_of_call(api, api("GET", f"{EXECUTIVE}screening/"))
        fields = {attrs["name"]: attrs.get("value") for attrs, _ in page.all("input") if "name" in attrs}
        wanted = {
            "operationId": "getScreening",
            "tenantId": "foo",
            "groupId": "foogroup",
            "userId": "foouser",
            "times": "1",
        }
        assert wanted.items() <= fields.items()
        [operation] = [
            each for each in api.arranged("GET", "coverage")["operations"] if each["operationId"] == "getScreening"
        ]
        documented = {status for status, found in operation["statuses"].items() if found["documented"]}
        assert documented <= set(page.texts("option"))

    def test_the_fault_of_a_misspelt_call_is_for_the_name_that_was_meant(self, api: Api) -> None:
        page = page_of_call(api, api("GET", CAPACITIES.replace("foogroup", "fogroup")))
        assert page.all("input", name="groupId")[0][0]["value"] == "foogroup"
        [dialog] = page.texts("dialog", id="fault")
        assert "The call named 'fogroup', which does not exist. The fault is for 'foogroup'." in dialog

    def test_the_fault_of_a_call_for_an_unknown_name_says_that_it_does_not_exist(self, api: Api) -> None:
        page = page_of_call(api, api("GET", CAPACITIES.replace("foogroup", "elsewhere")))
        assert page.all("input", name="groupId")[0][0]["value"] == "elsewhere"
        [dialog] = page.texts("dialog", id="fault")
        assert "The call named something that does not exist." in dialog
        [dialog] = page_of_call(api, api("GET", CAPACITIES)).texts("dialog", id="fault")
        assert "does not exist" not in dialog

    def test_a_call_without_credentials_is_anonymous_and_others_may_not_be_known(self, api: Api) -> None:
        wrong = api("GET", CAPACITIES, headers={"Authorization": "Bearer none"})
        assert "not known" in page_of_call(api, wrong).texts("dd")
        assert "anonymous" in page_of_call(api, api("GET", CAPACITIES)).texts("dd")
        assert "no account" not in page_of_call(api, api("GET", CAPACITIES)).texts("option")

    def test_a_call_of_no_operation_has_no_form_of_a_fault(self, api: Api) -> None:
        api.ok("GET", CAPACITIES)
        page = page_of_call(api, api("GET", "nothing/"))
        assert not page.all("dialog", id="fault")
        assert "The nearest path that there is" in page.texts("section", **{"class": "explanation"})[0]

    def test_it_leads_to_the_calls_before_and_after_it(self, api: Api) -> None:
        first, second, third = (api("GET", CAPACITIES) for _ in range(3))
        page = page_of_call(api, second)
        for name, other in (("Older call", first), ("Newer call", third)):
            assert page.link(name).endswith(other.headers["X-Simulator-Request-Id"])

    def test_a_connection_closed_without_an_answer_has_a_page(self, api: Api) -> None:
        api.arranged("POST", "faults", {"operationId": "listCallCapacities", "abort": "close", "times": 1})
        with pytest.raises(httpx.RemoteProtocolError):
            api("GET", CAPACITIES)
        [entry] = api.arranged("GET", "requests?limit=1")["requests"]
        page = page_of(api, f"requests/{entry['id']}")
        assert "The connection was closed without an answer." in page.texts("p")


class TestHostileText:
    @pytest.mark.parametrize("which", ["list", "call"])
    def test_it_is_shown_as_it_is_and_does_nothing(self, api: Api, which: str) -> None:
        name = HOSTILE.replace("/", "")
        response = api(
            "PUT",
            f"tenants/{name}/x/",
            {HOSTILE: [HOSTILE, "\u202eabc\x00"]},
            params={"q": HOSTILE},
            headers={"X-Mine": HOSTILE},
        )
        page = page_of(api, "requests") if which == "list" else page_of_call(api, response)
        tags = [tag for tag, _, _ in page.elements]
        assert tags.count("script") == 1
        assert "x" not in [attrs.get("src") for attrs, _ in page.all("img")]
        assert not [attrs for _, attrs, _ in page.elements if any(each.startswith("on") for each in attrs)]
        assert not [attrs for attrs, _ in page.all("a") if attrs.get("href", "").startswith("javascript")]
        shown = "".join(page.texts("main"))
        assert name in shown
        if which == "call":
            assert HOSTILE.replace('"', '\\"') in shown
            assert HOSTILE in page.texts("dd")
            assert "\u202e" not in shown
            assert "\\u202eabc\\u0000" in shown

    def test_hostile_filters_are_shown_as_they_are(self, api: Api) -> None:
        api.ok("GET", CAPACITIES)
        page = page_of(api, "requests", params={"text": HOSTILE, "account": HOSTILE})
        assert [tag for tag, _, _ in page.elements].count("script") == 1
        assert HOSTILE in [attrs.get("value") for attrs, _ in page.all("input")]


class TestPlaces:
    def test_lines_without_faults_are_put_together(self) -> None:
        lines = body_lines({"a": [1, {"b": None}], "c": "x"}, Place())
        assert [each.before for each in lines] == [
            '{\n  "a": [\n    1,\n    {\n      "b": null\n    }\n  ],\n  "c": "x"\n}'
        ]

    def test_a_place_may_have_several_faults(self) -> None:
        places = Place()
        places.at("/a/1").reasons += ["first", "second"]
        [_, marked, _] = body_lines({"a": [1, 2]}, places)
        assert (marked.before, marked.marked, marked.after) == ("    ", "2", "")
        assert marked.reasons == ["first", "second"]

    def test_a_place_that_the_body_does_not_have_is_shown_around_it(self) -> None:
        places = Place()
        places.at("/a/b/c").reasons.append("missing")
        assert [each.marked for each in body_lines({"a": {"x": 1}}, places) if each.reasons] == ['"a": {']
        assert [each.marked for each in body_lines({"a": {}}, places) if each.reasons] == ['"a": {}']

    def test_a_pointer_may_have_escaped_signs(self) -> None:
        places = Place()
        places.at("/a~1b~0").reasons.append("odd")
        assert [each.marked for each in body_lines({"a/b~": 1}, places) if each.reasons] == ['"a/b~": 1']

    def test_a_deep_body_and_many_faults_take_little_time(self) -> None:
        places = Place()
        for i in range(1_000):
            places.at(f"/{i}").reasons.append("wrong")
        assert len(body_lines(list(range(30_000)), places)) == 1_002


def test_a_path_is_cut_where_it_is_too_long() -> None:
    assert path_parts("/a/bcd/e", "/a/{x}/e") == [("/a", False), ("/", False), ("bcd", True), ("/e", False)]
    assert path_parts("/a/bcd/e", "/a/{x}/e", 4) == [("/a", False), ("/", False), ("b", True), ("…", False)]


def test_an_explanation_tells_each_rule_apart_from_the_reasons() -> None:
    rules = [{"id": "X-1", "statement": "One. (Or more.)"}, {"id": "X-2", "statement": "Two."}]
    text = "It was refused. Rule X-2 (vendor): Two. Rule X-1 (a, in part assumed by the simulator): One. (Or more.)"
    assert explained(text, rules) == ("It was refused.", rules)


def test_the_page_of_a_suggested_name_is_that_of_its_owner() -> None:
    ids = {"tenant_id": "t/1", "group_id": "g", "user_id": "u"}
    assert suggested_page({"asked": "g", "meant": "group"}, ids) == "world/t%2F1/group"

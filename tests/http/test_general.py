"""The general rules over HTTP: paths, bodies, types, errors, identifiers, names."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from simulator.app import LONGEST_SHOWN
from simulator.settings import DEFAULTS
from tests.conftest import CAPACITIES, EXECUTIVE, Api, faults

RECEPTION = CAPACITIES + "Reception/"
MORE = "There are more than 1,000 faults."
MORE_LISTED = "there are more than 1,000 faults; no others are listed"
JSON_TYPE = {"Content-Type": "application/json"}


class TestPaths:
    @pytest.mark.rule("G-1")
    @pytest.mark.parametrize("path", [CAPACITIES, RECEPTION, EXECUTIVE + "alerting/", "login/"])
    def test_without_the_slash_at_the_end_it_is_404_and_the_message_says_so(self, api: Api, path: str) -> None:
        response = api("GET", path.rstrip("/"))
        assert response.status_code == 404
        assert faults(response) == {("G-1", None)}
        assert "slash" in response.json()["errors"][0]["details"]["reason"]

    @pytest.mark.rule("G-1")
    @pytest.mark.parametrize("path", ["", "tenants/", "tenants/foo/groups/foogroup/", "tenants//groups/", "none/"])
    def test_an_unknown_path_is_404(self, api: Api, path: str) -> None:
        assert api.refused("GET", path) == (404, {("G-1", None)})

    @pytest.mark.rule("G-1")
    def test_of_a_very_long_path_the_answer_says_the_beginning_again(self, api: Api) -> None:
        answer = api("GET", "x" * 50_000)
        shown = f"/api/v1/{'x' * 50_000}"[:LONGEST_SHOWN]
        reason = f"no operation has the path {api.root}{shown}; see {api.root}/_simulator/docs"
        assert (answer.status_code, answer.json()["errors"][0]["details"]["reason"]) == (404, reason)

    @pytest.mark.rule("G-1")
    def test_the_message_about_a_missing_slash_stays_in_the_sandbox(self, api: Api) -> None:
        reason = api("GET", CAPACITIES.rstrip("/")).json()["errors"][0]["details"]["reason"]
        assert reason.endswith(f" {api.root}/api/v1/{CAPACITIES}")

    @pytest.mark.rule("G-1", "G-9")
    @pytest.mark.parametrize(
        "path", [RECEPTION + "/", CAPACITIES + "/", "login//", "/login/", RECEPTION.replace("/groups", "//groups")]
    )
    def test_a_slash_too_many_is_404_and_does_nothing(self, api: Api, path: str) -> None:
        for method in ("GET", "POST", "DELETE"):
            assert api.refused(method, path) == (404, {("G-1", None)})
        assert api("GET", RECEPTION).status_code == 200

    @pytest.mark.rule("G-16")
    @pytest.mark.parametrize("path", [CAPACITIES + "Reception%2F", CAPACITIES + "a%2fb/", CAPACITIES + "%2F/"])
    def test_an_encoded_slash_is_no_part_of_an_identifier(self, api: Api, path: str) -> None:
        assert api.refused("GET", path) == (404, {("G-16", None)})

    @pytest.mark.rule("G-9")
    @pytest.mark.parametrize(
        ("path", "unknown"),
        [
            (CAPACITIES.replace("foo/", "nope/"), "tenant 'nope'"),
            (CAPACITIES.replace("foogroup", "nope"), "group 'nope'"),
            (EXECUTIVE.replace("foouser", "nope") + "alerting/", "user 'nope'"),
            (CAPACITIES + "nope/", "call capacity 'nope'"),
        ],
    )
    def test_an_unknown_resource_is_404_and_the_message_says_which(self, api: Api, path: str, unknown: str) -> None:
        response = api("GET", path)
        assert (response.status_code, faults(response)) == (404, {("G-9", None)})
        assert unknown in response.json()["errors"][0]["details"]["reason"]

    @pytest.mark.rule("G-11")
    def test_identifiers_are_compared_exactly_case_included(self, api: Api) -> None:
        assert api("GET", CAPACITIES + "reception/").status_code == 404
        assert api("GET", EXECUTIVE.replace("foouser", "FooUser") + "alerting/").status_code == 404

    @pytest.mark.rule("G-11")
    def test_a_user_id_without_a_domain_finds_the_user_of_the_default_domain_too(self, api: Api) -> None:
        long, short = EXECUTIVE.replace("foouser", "foouser@sip.netaxis.be"), EXECUTIVE
        assert api.ok("GET", long + "alerting/") == api.ok("GET", short + "alerting/")
        assert api("GET", EXECUTIVE.replace("foouser", "test_user") + "alerting/").status_code == 404
        changed = api.ok("PUT", RECEPTION, {"userIds": ["user_1"]})
        assert [user["userId"] for user in changed["users"]] == ["user_1@sip.netaxis.be"]

    @pytest.mark.rule("G-16")
    @pytest.mark.parametrize("text", ["%FF", "%C3", "a%80b"])
    def test_percent_encoding_that_is_no_text_is_refused(self, api: Api, text: str) -> None:
        assert api.refused("GET", f"{CAPACITIES}{text}/") == (404, {("G-16", None)})

    @pytest.mark.rule("G-10")
    @pytest.mark.parametrize(
        ("path", "allowed"),
        [
            ("login/", "POST"),
            (CAPACITIES, "POST, GET"),
            (CAPACITIES + "available_users/", "GET"),
            (RECEPTION, "GET, PUT, DELETE"),
            (EXECUTIVE + "alerting/", "GET, PUT"),
            (EXECUTIVE + "criteria/", "POST"),
        ],
    )
    def test_an_undocumented_method_is_405_with_the_documented_ones(self, api: Api, path: str, allowed: str) -> None:
        for method in {"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "FOO"} - set(allowed.split(", ")):
            response = api(method, path)
            assert (response.status_code, faults(response)) == (405, {("G-10", None)})
            assert set(response.headers["Allow"].split(", ")) == set(allowed.split(", "))
        assert api("HEAD", path).status_code == 405


class TestBodies:
    @pytest.mark.rule("G-2")
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"  ",
            b"{",
            b"{'a': 1}",
            b'{"maxCalls": 1,}',
            b'{"maxCalls": NaN}',
            b'{"maxCalls": Infinity}',
            b'{"maxCalls": -Infinity}',
            b"\xff\xfe",
            '{"maxCalls": 1}'.encode("utf-16"),
            b'{"name": "\xff"}',
            b"[]",
            b'"text"',
            b"5",
            b"null",
            b"[" * 100_000,
            b'{"users":' * 100_000,
            b'{"users":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        ],
        ids=lambda body: repr(body[:20]),
    )
    def test_a_body_that_is_no_json_object_is_400(self, api: Api, body: bytes) -> None:
        assert api.refused("PUT", RECEPTION, content=body, headers=JSON_TYPE) == (400, {("G-2", None)})

    @pytest.mark.rule("G-2")
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b'{"name": "\xff"}', "not UTF-8: invalid start byte at byte 10"),
            (b'{"a": 1,}', "not valid JSON"),
            (b'{"a": "\\ud800"}', "lone surrogate"),
            (b"", "the body is empty; this operation needs a JSON object"),
            (b" ", "the body is blank"),
            (b"[1]", "not an array"),
            (b'{"a":' * 1_100 + b"1" + b"}" * 1_100, "the body is nested more deeply than 200 levels"),
            (b'{"a":' * 201 + b"1" + b"}" * 201, "the body is nested more deeply than 200 levels"),
            (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", "the body is nested more deeply than 200 levels"),
            (b'{"maxCalls": 1e999}', "the body holds a number that is too large: 1e999"),
            (b'{"maxCalls": 1e999, }', "not valid JSON"),
            (b'{"name": "\\"1e999", "maxCalls": -0.1e+999, "a": 01}', "not valid JSON"),
        ],
    )
    def test_the_message_says_what_is_wrong_with_a_body(self, api: Api, body: bytes, words: str) -> None:
        assert words in api("PUT", RECEPTION, content=body).json()["errors"][0]["details"]["reason"]

    @pytest.mark.rule("G-2")
    def test_two_hundred_levels_are_not_too_many(self, api: Api) -> None:
        body = b'{"users":' * 200 + b"1" + b"}" * 200
        assert api("PUT", RECEPTION, content=body).status_code == 200

    @pytest.mark.rule("G-2", "G-8")
    @pytest.mark.parametrize(
        ("body", "names"),
        [
            (b'{"maxCalls": 1, "maxCalls": 2}', {"/maxCalls"}),
            (b'{"maxCalls": 1, "maxCalls": 1, "maxCalls": 1}', {"/maxCalls"}),
            (b'{"maxCalls" \n: 1, "max\\u0043alls"\t:2}', {"/maxCalls"}),
            (b'{"users": ":", "users": {"a": 1}}', {"/users"}),
            (
                b'{"users": [{"a": {"x": 1, "x": 2}}, {"b/c": 1, "b/c": 2}], "name": "a:b"}',
                {"/users/0/a/x", "/users/1/b~1c"},
            ),
            (b'{"": 1, "": 2, "extra": "5"}', {"/"}),
        ],
    )
    def test_a_name_that_stands_twice_in_an_object_is_refused(self, api: Api, body: bytes, names: set[str]) -> None:
        before = api.ok("GET", RECEPTION)
        assert api.refused("PUT", RECEPTION, content=body) == (400, {("G-2", name) for name in names})
        assert api.ok("GET", RECEPTION) == before

    @pytest.mark.rule("G-2")
    @pytest.mark.parametrize(
        "body",
        [
            b'{"users": [{"a": 1}, {"a": 1}], "maxCalls": 1}',
            b'{"users": "\\":\\"a\\":", "name": "a:b"}',
            b'{"users": {"a": {"a": {"a": ":"}}}}',
            b'{"users": {":": 1, "::": 2, "": 3}}',
            b'{"users": [' + b"9" * 5_000 + b', ":"]}',
        ],
        ids=lambda body: repr(body[:30]),
    )
    def test_one_that_stands_in_several_objects_or_in_a_text_is_not(self, api: Api, body: bytes) -> None:
        assert api("PUT", RECEPTION, content=body).status_code == 200

    @pytest.mark.rule("G-5", "CC-4")
    @pytest.mark.parametrize(
        ("number", "shown"),
        [
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("-98765432109876543210", "-98765432109876543210"),
            ("18446744073709551617", "18446744073709551617"),
            ("9" * 400, "9" * 56 + "\N{HORIZONTAL ELLIPSIS}9"),
            ("12" * 5_000, "12" * 28 + "\N{HORIZONTAL ELLIPSIS}2"),
        ],
        ids=lambda text: text[:20],
    )
    def test_a_refusal_shows_a_large_integer_as_it_was_sent(self, api: Api, number: str, shown: str) -> None:
        response = api("PUT", RECEPTION, content=f'{{"maxCalls": {number}}}')
        assert faults(response) == {("CC-4", "/maxCalls")}
        assert response.json()["errors"][0]["details"]["reason"].endswith(f", not {shown}")

    @pytest.mark.rule("G-8")
    @pytest.mark.parametrize(
        ("path", "body"),
        [
            (RECEPTION, lambda number: {"userIds": [str(i) for i in range(number)]}),
            (RECEPTION, lambda number: {"userIds": ["same"] * (number + 1)}),
            (RECEPTION, lambda number: {"userIds": list(range(number))}),
            (RECEPTION, lambda number: {str(i): 1 for i in range(number)}),
            (f"{EXECUTIVE}assistants/", lambda number: {"assistantUserIds": [str(i) for i in range(number)]}),
            (f"{EXECUTIVE}filtering/", lambda number: {"criteria": [{"name": str(i)} for i in range(number)]}),
            (f"{EXECUTIVE}filtering/", lambda number: {"criteria": [{"name": 1}] * number}),
        ],
        ids=["unknown users", "repeated", "of another type", "unknown attributes", "assistants", "criteria", "objects"],
    )
    def test_of_very_many_faults_a_thousand_are_listed_and_it_is_said_that_there_are_more(
        self, api: Api, path: str, body: Callable[[int], Any]
    ) -> None:
        for number, more in ((1_000, "There are 990 more faults."), (1_001, MORE), (20_000, MORE)):
            response = api("PUT", path, body(number))
            errors = response.json()["errors"]
            assert len({error["details"].get("pointer") for error in errors[:1_000]}) == 1_000
            assert [error["details"]["reason"] for error in errors[1_000:]] == ([MORE_LISTED] if more is MORE else [])
            [entry] = api.arranged("GET", "requests?limit=1")["requests"]
            assert more in entry["explanation"]

    @pytest.mark.rule("G-8")
    def test_so_it_is_of_names_that_stand_twice(self, api: Api) -> None:
        members = [f'"{i}": 1, "{i}": 1' for i in range(2_000)]
        errors = api("PUT", RECEPTION, content=f"{{{', '.join(members)}}}").json()["errors"]
        assert [error["details"]["reason"] for error in errors[1_000:]] == [MORE_LISTED]

    @pytest.mark.rule("G-8")
    def test_faults_of_one_kind_hide_those_of_the_next(self, api: Api) -> None:
        parts = [
            '"maxCalls": 1, "maxCalls": 2',
            '"isDefault": 5, "extra": 1',
            '"name": "disposable", "userIds": ["nobody"]',
        ]
        found = [
            {("G-2", "/maxCalls")},
            {("G-5", "/isDefault"), ("G-4", "/extra")},
            {("CC-10", "/name"), ("CC-7", "/userIds/0")},
        ]
        for first in range(3):
            body = f"{{{', '.join(parts[first:])}}}"
            assert api.refused("PUT", RECEPTION, content=body) == (400, found[first])

    @pytest.mark.rule("G-2")
    def test_an_optional_body_may_be_absent_but_not_blank(self, api: Api) -> None:
        path = EXECUTIVE + "available_assistants/"
        assert api.ok("GET", path, content=b"") == api.ok("GET", path)
        response = api("GET", path, content=b" ")
        assert (response.status_code, faults(response)) == (400, {("G-2", None)})
        assert "send a JSON object, or nothing at all" in response.text

    @pytest.mark.rule("G-16")
    def test_an_encoded_body_is_415(self, api: Api) -> None:
        gzip = {"Content-Encoding": "gzip"}
        assert api.refused("PUT", RECEPTION, content=b"{}", headers=gzip) == (415, {("G-16", None)})
        assert api("PUT", RECEPTION, content=b"{}", headers={"Content-Encoding": "identity"}).status_code == 200

    @pytest.mark.rule("G-2")
    def test_numbers_of_any_size_are_answered(self, api: Api) -> None:
        for number in ("1" * 5000, "-1" + "0" * 400, "1e999", "-1e999", "1e-999", "0.1"):
            response = api("PUT", RECEPTION, content=f'{{"maxCalls": {number}}}', headers=JSON_TYPE)
            assert response.status_code == (200 if number == "1e-999" else 400), number

    @pytest.mark.rule("G-3")
    @pytest.mark.parametrize(
        "content_type",
        [
            None,
            "application/json",
            "APPLICATION/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=latin-1;x=y",
            '"application/json"',
            '"application/json"; charset=utf-8',
        ],
    )
    def test_json_may_be_announced_in_these_ways(self, api: Api, content_type: str | None) -> None:
        headers = {} if content_type is None else {"Content-Type": content_type}
        assert api("PUT", RECEPTION, content=b'{"maxCalls": 1}', headers=headers).status_code == 200

    @pytest.mark.rule("G-3")
    @pytest.mark.parametrize(
        "content_type",
        [
            "text/plain",
            "application/jsonp",
            "application/x-www-form-urlencoded",
            "x",
            '"application/json',
            "application/json" + " " * 60_000 + "x",
        ],
    )
    def test_another_content_type_is_415(self, api: Api, content_type: str) -> None:
        headers = {"Content-Type": content_type}
        assert api.refused("PUT", RECEPTION, content=b"{}", headers=headers) == (415, {("G-3", None)})

    @pytest.mark.rule("G-4", "G-8")
    def test_undocumented_attributes_are_refused_each_with_its_place(self, api: Api) -> None:
        changes = {"colour": 1, "a/b~c": 2, "_schema": 3, "__class__": 4, "": 5, "a.b": 6}
        places = {"/colour", "/a~1b~0c", "/_schema", "/__class__", "/", "/a.b"}
        assert api.refused("PUT", RECEPTION, changes) == (400, {("G-4", place) for place in places})

    @pytest.mark.rule("G-4")
    @pytest.mark.parametrize("path", [RECEPTION, EXECUTIVE + "assistants/", EXECUTIVE + "alerting/"])
    def test_what_a_get_answered_can_be_put_back(self, api: Api, path: str) -> None:
        before = api.ok("GET", path)
        assert api.ok("PUT", path, before) == before

    @pytest.mark.rule("G-4")
    def test_an_undocumented_query_parameter_is_ignored_and_the_journal_says_so(self, api: Api) -> None:
        response = api("GET", RECEPTION, params={"maxCalls": "x", "_": "1"})
        assert response.json() == api.ok("GET", RECEPTION)
        entry = api.arranged("GET", f"requests/{response.headers['X-Simulator-Request-Id']}")
        assert entry["ignored"] == ["?maxCalls", "?_"]
        assert "G-4" in entry["assumed"]

    @pytest.mark.rule("G-4")
    def test_an_ignored_attribute_may_be_anything(self, api: Api) -> None:
        before = api.ok("GET", RECEPTION)
        anything: object
        for anything in (None, 5, "text", [1], {"a": {}}):
            assert api.ok("PUT", RECEPTION, {"users": anything}) == before

    @pytest.mark.rule("G-5")
    @pytest.mark.parametrize("value", ["5", 5.5, True, [5], {"value": 5}])
    def test_these_are_no_integers(self, api: Api, value: object) -> None:
        assert api.refused("PUT", RECEPTION, {"maxCalls": value}) == (400, {("G-5", "/maxCalls")})

    @pytest.mark.rule("G-5")
    @pytest.mark.parametrize("value", [0, 1, "true", "yes", []])
    def test_these_are_no_booleans(self, api: Api, value: object) -> None:
        assert api.refused("PUT", RECEPTION, {"isDefault": value}) == (400, {("G-5", "/isDefault")})

    @pytest.mark.rule("G-5")
    def test_these_are_no_strings_and_no_arrays(self, api: Api) -> None:
        assert api.refused("PUT", RECEPTION, {"name": 5}) == (400, {("G-5", "/name")})
        assert api.refused("PUT", RECEPTION, {"userIds": {"0": "user_1"}}) == (400, {("G-5", "/userIds")})
        assert api.refused("PUT", RECEPTION, {"userIds": [1]}) == (400, {("G-5", "/userIds/0")})

    @pytest.mark.rule("G-5")
    def test_a_whole_number_written_with_a_fraction_is_an_integer(self, api: Api) -> None:
        response = api("PUT", RECEPTION, content=b'{"maxCalls": 5.0}', headers=JSON_TYPE)
        assert '"maxCalls":5,' in response.text

    @pytest.mark.rule("G-6")
    @pytest.mark.parametrize(
        "path", [RECEPTION, *(EXECUTIVE + part for part in ("assistants/", "filtering/", "screening/"))]
    )
    def test_an_empty_put_changes_nothing(self, api: Api, path: str) -> None:
        before = api.ok("GET", path)
        assert api.ok("PUT", path, {}) == before
        assert api.ok("GET", path) == before

    @pytest.mark.rule("G-6")
    def test_put_leaves_absent_attributes_as_they_are(self, api: Api) -> None:
        before = api.ok("GET", RECEPTION)
        assert api.ok("PUT", RECEPTION, {"maxCalls": 9}) == {**before, "maxCalls": 9}

    @pytest.mark.rule("G-7", "G-8")
    def test_all_faults_are_reported_at_once_and_nothing_changes(self, api: Api) -> None:
        before = api.ok("GET", RECEPTION)
        changes = {"maxCalls": -1, "isDefault": 1, "name": "a/b", "extra": 0, "maxIncomingCalls": 5}
        expected = {("CC-4", "/maxCalls"), ("G-5", "/isDefault"), ("G-12", "/name"), ("G-4", "/extra")}
        assert api.refused("PUT", RECEPTION, changes) == (400, expected)
        assert api.ok("GET", RECEPTION) == before

    @pytest.mark.rule("G-8")
    def test_a_wrong_item_hides_no_repeated_one(self, api: Api) -> None:
        changes = {"userIds": ["user_1", "user_1", 5, "", ["x"], ["x"]]}
        wrong = {("CC-7", "/userIds/1"), ("G-5", "/userIds/2"), ("CC-7", "/userIds/3")}
        wrong |= {("G-5", "/userIds/4"), ("G-5", "/userIds/5")}
        assert api.refused("PUT", RECEPTION, changes) == (400, wrong)

    @pytest.mark.rule("G-10")
    def test_a_body_over_the_limit_is_413_however_it_is_sent(self, api: Api) -> None:
        body = b'{"users": "' + b"x" * DEFAULTS.max_body + b'"}'
        assert api.refused("PUT", RECEPTION, content=body, headers=JSON_TYPE) == (413, {("G-10", None)})
        chunks = (body[i : i + 65536] for i in range(0, len(body), 65536))
        response = httpx.put(f"{api.client.base_url}{api.root}/api/v1/{RECEPTION}", content=chunks, headers=JSON_TYPE)
        assert (response.status_code, faults(response)) == (413, {("G-10", None)})
        fits = b'{"users": "' + b"x" * (DEFAULTS.max_body - 13) + b'"}'
        assert api("PUT", RECEPTION, content=fits, headers=JSON_TYPE).status_code == 200

    @pytest.mark.rule("G-10")
    @pytest.mark.parametrize(
        ("accept", "status"),
        [
            ("application/json", 200),
            ("*/*", 200),
            ("application/*;q=0.1", 200),
            ("text/html, application/json; charset=utf-8; q=0.5", 200),
            ("text/html,application/xhtml+xml,*/*;q=0.8", 200),
            ("", 200),
            ("text/html", 406),
            ("application/json;q=0", 406),
            ("application/json;q=0, */*", 406),
            ("application/xml, text/*", 406),
        ],
    )
    def test_an_accept_header_that_rules_json_out_is_406(self, api: Api, accept: str, status: int) -> None:
        response = api("GET", RECEPTION, headers={"Accept": accept})
        assert response.status_code == status
        if status == 406:
            assert faults(response) == {("G-10", None)}


class TestNames:
    @pytest.mark.rule("G-12")
    @pytest.mark.parametrize(
        "name",
        [
            "50% off",
            "a@b",
            "back\\slash",
            "what?",
            "#1",
            "a+b",
            "Café Ünïcode",
            "日本",
            "...",
            "😀",
            ".a",
            "a  b",
            "a\N{NO-BREAK SPACE}b",
            "e\N{COMBINING ACUTE ACCENT}",
        ],
    )
    def test_a_name_may_hold_any_printable_character(self, api: Api, name: str) -> None:
        path = CAPACITIES + quote(name, safe="") + "/"
        assert api.ok("POST", CAPACITIES, {"name": name, "isDefault": False, "maxCalls": 1})["name"] == name
        assert api.ok("GET", path)["name"] == name
        assert api.ok("PUT", path, {"maxCalls": 2})["maxCalls"] == 2
        assert api.ok("POST", EXECUTIVE + "criteria/", {"name": name})["name"] == name
        assert api.ok("GET", EXECUTIVE + "criteria/" + quote(name, safe="") + "/")["name"] == name
        assert api("DELETE", path).status_code == 200

    @pytest.mark.rule("G-12")
    @pytest.mark.parametrize("name", ["a/b", "/", "a\tb", "a\n", "\x00", "\x7f", "\x85", " a", "a ", " ", ".", ".."])
    def test_these_names_are_refused(self, api: Api, name: str) -> None:
        body = {"name": name, "isDefault": False, "maxCalls": 1}
        assert api.refused("POST", CAPACITIES, body) == (400, {("G-12", "/name")})
        assert api.refused("PUT", RECEPTION, {"name": name}) == (400, {("G-12", "/name")})
        assert api.refused("POST", EXECUTIVE + "criteria/", {"name": name}) == (400, {("G-12", "/name")})

    @pytest.mark.rule("G-12")
    @pytest.mark.parametrize(
        "name",
        [
            *(
                "\u200b",
                "a\u200b",
                "\u2028",
                "a\u2028b",
                "\u200b\u2028\u200b",
                "a\u2029b",
                "a\u202eb",
                "\ufeffa",
                "a\u00adb",
            ),
            *("a\u2066b", "\u00a0", "\u3000\u3000", "\u2800", "\u3164", "\ufe0f", "a\u061cb", "a\ufff9b"),
        ],
        ids=ascii,
    )
    def test_invisible_characters_are_refused(self, api: Api, name: str) -> None:
        body = {"name": name, "isDefault": False, "maxCalls": 1}
        assert api.refused("POST", CAPACITIES, body) == (400, {("G-12", "/name")})
        assert api.refused("POST", EXECUTIVE + "criteria/", {"name": name}) == (400, {("G-12", "/name")})

    def test_of_the_first_plane_all_that_python_calls_a_format_character_is_refused(self, api: Api) -> None:
        characters = [
            each for each in map(chr, range(0x10000)) if unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp")
        ]
        items = [{"name": f"a{each}b"} for each in characters]
        expected = {("G-12", f"/criteria/{i}/name") for i in range(len(items))}
        assert api.refused("PUT", EXECUTIVE + "filtering/", {"criteria": items}) == (400, expected)

    @pytest.mark.rule("G-12")
    @pytest.mark.parametrize("text", ['"\\ud800"', '"a\\udfffb"', '"\\ud83dx"'])
    def test_a_lone_surrogate_is_refused(self, api: Api, text: str) -> None:
        body = f'{{"name": {text}}}'
        assert api.refused("PUT", RECEPTION, content=body, headers=JSON_TYPE) == (400, {("G-12", None)})


class TestAnswers:
    @pytest.mark.rule("G-13")
    def test_attributes_stand_in_the_documented_order(self, api: Api) -> None:
        answer = api.ok("PUT", RECEPTION, {"maxOutgoingCalls": 1, "maxIncomingCalls": 2})
        assert list(answer) == ["name", "isDefault", "maxCalls", "maxIncomingCalls", "maxOutgoingCalls", "users"]
        criterion = ["name", "active", "timeSchedule", "holidaySchedule", "fromDnCriteria", "filter"]
        assert list(api.ok("GET", EXECUTIVE + "criteria/foocriteria/")) == criterion

    @pytest.mark.rule("G-13")
    def test_the_attributes_of_a_user_stand_in_the_order_of_the_documented_table_the_department_fourth(
        self, api: Api
    ) -> None:
        table = ["userId", "firstName", "lastName", "department", "extension", "phoneNumber", "emailAddress"]
        answers = [
            api.ok("GET", CAPACITIES + "available_users/")["users"],
            api.ok("GET", CAPACITIES + "Reception/")["users"],
            api.ok("GET", EXECUTIVE + "available_assistants/")["users"],
            api.ok("GET", EXECUTIVE + "assistants/")["assistantUsers"],
        ]
        for users in answers:
            assert any("department" in user for user in users)
            for user in users:
                assert list(user) == [name for name in table if name in user]

    @pytest.mark.rule("G-14")
    def test_a_user_without_department_lacks_it_in_available_lists_and_has_an_empty_one_in_member_lists(
        self, api: Api
    ) -> None:
        always = {"userId", "firstName", "lastName", "extension", "phoneNumber", "emailAddress"}
        available = {user["userId"]: user for user in api.ok("GET", CAPACITIES + "available_users/")["users"]}
        assert available["user_1@sip.netaxis.be"].keys() == always
        assert available["foouser@sip.netaxis.be"].keys() == {*always, "department"}
        members = api.ok("PUT", RECEPTION, {"userIds": ["user_1", "foouser"]})["users"]
        assert members[0] == {**available["user_1@sip.netaxis.be"], "department": ""}
        assert members[1] == available["foouser@sip.netaxis.be"]
        everywhere = api.ok("GET", EXECUTIVE + "available_assistants/", {"sameGroupOnly": False})["users"]
        assert everywhere[2] == {
            "userId": "ApioEntUserTestGrp2",
            "firstName": "User",
            "lastName": "ApioEnt",
            "extension": "",
            "phoneNumber": "",
            "emailAddress": "",
        }

    @pytest.mark.rule("G-15")
    def test_the_full_path_of_a_department_joins_its_parents_and_names_the_group_in_an_enterprise(
        self, api: Api
    ) -> None:
        users = {user["userId"]: user for user in api.ok("GET", CAPACITIES + "available_users/")["users"]}
        assert users["foouser@sip.netaxis.be"]["department"] == {
            "tenantId": "foo",
            "groupId": "foogroup",
            "departmentName": "Inside Sales",
            "fullPathName": "Sales \\ Inside Sales (foogroup)",
        }
        path = "tenants/wholesale/groups/ghent/services/call_capacities/"
        names = [each["name"] for each in api.ok("GET", path)["call_capacities"]]
        members = [user for name in names for user in api.ok("GET", f"{path}{quote(name)}/")["users"]]
        everybody = members + api.ok("GET", path + "available_users/")["users"]
        paths = [user["department"]["fullPathName"] for user in everybody if user.get("department")]
        assert paths
        assert not any(each.endswith("(ghent)") for each in paths)

    @pytest.mark.rule("G-8")
    def test_an_error_says_code_message_reason_rule_and_place(self, api: Api) -> None:
        response = api("PUT", RECEPTION, {"maxCalls": "seven"})
        assert response.json() == {
            "errors": [
                {
                    "code": 40002,
                    "message": "Invalid attribute",
                    "details": {
                        "reason": 'must be an integer from 0 to 99999, not "seven"',
                        "rule": "G-5",
                        "pointer": "/maxCalls",
                    },
                }
            ]
        }

    def test_every_answer_carries_a_request_id_of_its_own(self, api: Api) -> None:
        answers = [api("GET", path) for path in (RECEPTION, CAPACITIES + "none/", "none", RECEPTION)]
        assert len({answer.headers["X-Simulator-Request-Id"] for answer in answers}) == len(answers)

    def test_long_values_are_cut_in_messages(self, api: Api) -> None:
        response = api("PUT", EXECUTIVE + "alerting/", {"mode": "x" * 10_000})
        assert len(json.dumps(response.json())) < 500

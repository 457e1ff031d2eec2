"""A comparison with a laboratory blames the rules that are different there, and no others."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from simulator.app import standard_simulation
from simulator.document import write_yaml
from simulator.lab.credentials import Credentials
from simulator.lab.exchange import LabAnswer, LabRequest
from simulator.lab.probes import load_probes
from simulator.lab.report import evidence_of, profile_of, report_of
from simulator.lab.run import MOST_USERS, Run
from simulator.reports.conformity import FORMATS
from tests.lab.laboratory import (
    ACCOUNTS,
    FRESH,
    OWN,
    PLANS,
    READ,
    SCRATCH,
    Laboratory,
    all_choices,
    confirmed,
    contradicted,
    fixture,
    profile_document,
    run_against,
    run_of,
)
from tests.lab.test_pseudonyms import texts_of

CORRECTIONS: dict[str, list[dict[str, dict[str, Any]]]] = {
    "read": [
        {"G-1": {"choice": "redirect"}},
        {"G-1": {"choice": "accept"}},
        {"G-8": {"choice": "detail"}},
        {"G-9": {"status": 410}},
        {"A-2": {"status": 404}},
        {"A-7": {"choice": "existence"}},
        {"CC-1": {"status": 409}},
        {"EX-1": {"status": 409}},
        {"EX-2": {"choice": "leave"}},
        {"EX-3": {"choice": "ignored"}},
        {"EX-16": {"values": {"/alerting/nextAssistantAfter": 7}}},
    ],
    "own": [
        {"G-2": {"status": 416}},
        {"G-3": {"choice": "accept"}},
        {"G-4": {"choice": "ignore"}},
        {"G-13": {"choice": "name"}},
        {"CC-4": {"choice": "refuse"}},
        {"CC-5": {"choice": "refuse"}},
        {"CC-9": {"choice": "absent"}},
    ],
    "scratch": [
        {"CC-7": {"status": 409}},
        {"CC-8": {"choice": "refuse"}},
        {"CC-11": {"choice": "refuse"}},
        {"EX-4": {"choice": "refuse"}},
        {"EX-6": {"choice": "refuse"}},
        {"EX-7": {"choice": "refuse"}},
        {"EX-10": {"values": {"/active": False}}},
        {"EX-12": {"values": {"/selection": "Any External"}}},
        {
            "CC-9": {"choice": "absent"},
            "EX-2": {"choice": "leave"},
            "G-13": {"choice": "name"},
            "G-3": {"choice": "accept"},
        },
    ],
}
"""What a system can do otherwise, by the least permission that shows it."""
LEVELS = list(PLANS)


def probed() -> set[str]:
    return {probe.rule for probe in load_probes(standard_simulation().ledger).probes}


@pytest.fixture(scope="module")
def unaltered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Runs against a system that is as documented, with each permission."""
    return {level: run_against(Laboratory(), tmp_path_factory.mktemp(level), PLANS[level]) for level in LEVELS}


@pytest.mark.parametrize("level", LEVELS)
def test_of_a_system_that_is_as_documented_nothing_is_contradicted(level: str, tmp_path: Path) -> None:
    laboratory = Laboratory()
    run = run_against(laboratory, tmp_path, PLANS[level])
    assert run.problems == []
    assert contradicted(run) == {}
    assert run.verdicts is not None
    assert run.verdicts.others == ()
    assert laboratory.changes == []
    assert list(tmp_path.iterdir()) == []


def test_each_permission_decides_more_rules_and_all_permissions_decide_all(unaltered: dict[str, Run]) -> None:
    read, own, scratch = (set(confirmed(run)) for run in unaltered.values())
    assert len(read) >= 20
    assert read < own < scratch == probed()


def test_every_choice_is_tried() -> None:
    tried = [(rule, each.get("choice")) for level in LEVELS for one in CORRECTIONS[level] for rule, each in one.items()]
    assert set(all_choices()) <= set(tried)


@pytest.mark.parametrize(
    ("level", "profile"),
    [(level, profile) for level in LEVELS for profile in CORRECTIONS[level]],
    ids=lambda each: each if isinstance(each, str) else "-".join(each),
)
def test_what_a_system_does_otherwise_is_blamed_on_exactly_its_rule(
    level: str, profile: dict[str, Any], tmp_path: Path, unaltered: dict[str, Run]
) -> None:
    laboratory = Laboratory(profile)
    run = run_against(laboratory, tmp_path, PLANS[level])
    assert run.problems == []
    assert contradicted(run) == profile
    assert run.verdicts is not None
    assert run.verdicts.others == ()
    assert set(confirmed(run)) == set(confirmed(unaltered[level])) - profile.keys()
    assert laboratory.changes == []


@pytest.mark.parametrize("level", LEVELS[1:])
def test_below_its_permission_what_a_system_does_otherwise_is_not_decidable(
    level: str, unaltered: dict[str, Run]
) -> None:
    below = unaltered[LEVELS[LEVELS.index(level) - 1]]
    assert below.verdicts is not None
    for profile in CORRECTIONS[level]:
        for rule, correction in profile.items():
            if not any({rule: correction} in CORRECTIONS[each] for each in LEVELS[: LEVELS.index(level)]):
                is_read = rule == "CC-9"  # a capacity without members may be there already
                assert (below.verdicts.rules[rule].verdict == "not decidable") != is_read


def published() -> set[str]:
    """Texts that are no secret, because the contract has them, or the shape of a fixture."""
    schemas = standard_simulation().contract.document.data["components"]["schemas"]
    return {*texts_of(schemas), "tenants", "groups", "users", "executive", "version"}


def test_at_read_only_reads_arrive(tmp_path: Path) -> None:
    laboratory = Laboratory()
    run_against(laboratory, tmp_path, READ, Credentials(token="system-admin"))
    assert {request.method for request in laboratory.calls} == {"GET", "HEAD"}


def test_at_own_nothing_is_written_but_capacities_with_the_name_of_the_run(tmp_path: Path) -> None:
    laboratory = Laboratory()
    run_against(laboratory, tmp_path, OWN, Credentials(token="system-admin"))
    writes = [request for request in laboratory.calls if request.method not in ("GET", "HEAD")]
    assert {request.method for request in writes} == {"POST", "PUT", "DELETE"}
    for request in writes:
        name = request.target.rstrip("/").rpartition("/")[2]
        if request.method == "POST":
            assert "/groups/foogroup/services/call_capacities/" in request.target
            name = orjson.loads(request.body or b"")["name"]
        assert "zz-conform-1a2b3c-" in name


@pytest.mark.parametrize(("level", "rule"), [("read", "CC-7"), ("read", "G-4"), ("own", "EX-4"), ("own", "G-7")])
def test_below_its_level_a_rule_is_not_decidable(level: str, rule: str, tmp_path: Path) -> None:
    run = run_against(Laboratory({"G-4": {"choice": "ignore"}, "EX-4": {"choice": "refuse"}}), tmp_path, PLANS[level])
    assert run.verdicts is not None
    verdict = run.verdicts.rules[rule]
    assert verdict.verdict == "not decidable"
    assert any(reason.startswith("it needs --") for reason in verdict.reasons.values())


def test_a_rule_of_which_one_part_is_not_decided_is_not_confirmed(tmp_path: Path) -> None:
    run = run_against(Laboratory(), tmp_path, READ)
    assert run.verdicts is not None
    assert {each.verdict for each in run.outcomes if each.probe.rule == "G-4"} == {"confirmed", "not decidable"}
    assert run.verdicts.rules["G-4"].verdict == "not decidable"


@pytest.mark.parametrize("profile", CORRECTIONS["scratch"][-1:], ids=lambda each: "-".join(each))
def test_a_simulator_that_follows_the_written_profile_is_not_contradicted(
    profile: dict[str, Any], tmp_path: Path
) -> None:
    run = run_against(Laboratory(profile), tmp_path)
    assert run.verdicts is not None
    written = profile_of(run, run.verdicts, "lab", date(2026, 11, 27))
    again = run_of(Laboratory(profile), tmp_path)
    again.simulation = standard_simulation().following(written)
    again.go()
    assert contradicted(again) == {}
    assert set(confirmed(again)) == probed()


def test_what_varies_by_itself_blames_no_rule(tmp_path: Path) -> None:
    turn = count()

    def vary(content: Any) -> Any:
        if not isinstance(content, dict) or "errors" in content:
            return content
        number = next(turn)
        changed = {
            name: value[::-1] if number % 2 and isinstance(value, list) else value for name, value in content.items()
        }
        return {**changed, "nonce": number}

    laboratory = Laboratory(change=vary)
    run = run_against(laboratory, tmp_path)
    assert run.problems == []
    assert contradicted(run) == {}
    assert {"nonce", "order:call_capacities", "order:users"} <= run.volatile
    assert run.verdicts is not None
    assert run.verdicts.rules["G-13"].verdict == "not decidable"
    assert laboratory.changes == []


def test_a_difference_that_can_come_from_a_guess_blames_no_rule(tmp_path: Path) -> None:
    laboratory = Laboratory()

    def has_another_domain(own: Laboratory, request: LabRequest, headers: Mapping[str, str]) -> LabAnswer:
        is_short = "/users/user_1/" in request.target
        return LabAnswer(status=404, headers={}, body=b"") if is_short else own.answer(request, headers)

    laboratory.always = has_another_domain
    run = run_against(laboratory, tmp_path, READ)
    assert run.verdicts is not None
    assert contradicted(run) == {}
    assert "the default domain is a guess" in run.verdicts.rules["G-11"].reasons["a user id without its domain"]


def test_a_difference_that_no_rule_is_about_is_listed(tmp_path: Path) -> None:
    def add(content: Any) -> Any:
        return {**content, "colour": "red"} if isinstance(content, dict) and "maxCalls" in content else content

    run = run_against(Laboratory(change=add), tmp_path, READ)
    assert run.verdicts is not None
    assert contradicted(run) == {}
    assert run.verdicts.others == (("getCallCapacity", "/colour"),)


def test_a_contradicted_rule_that_cannot_be_followed_is_named(tmp_path: Path) -> None:
    def rename(content: Any) -> Any:
        if isinstance(content, dict) and "maxIncomingCalls" in content and content["maxCalls"] == 5:
            return {**content, "maxIncomingCalls": 5}
        return content

    run = run_against(Laboratory(change=rename), tmp_path, OWN)
    assert contradicted(run) == {"CC-4": {}}


@pytest.mark.parametrize(
    ("status", "method", "problem"),
    [(401, "GET", "credentials"), (403, "GET", "may not read this"), (429, "GET", "fewer"), (503, "POST", "failed")],
)
def test_a_run_ends_where_the_system_wants_it_to_end(status: int, method: str, problem: str, tmp_path: Path) -> None:
    laboratory = Laboratory()

    def stop(own: Laboratory, request: LabRequest, headers: Mapping[str, str]) -> LabAnswer:
        if request.method == method and request.target.endswith(("/call_capacities/", "?unknown=1")[method == "GET"]):
            return LabAnswer(status=status, headers={}, body=b"")
        return own.answer(request, headers)

    laboratory.always = stop
    run = run_against(laboratory, tmp_path, READ if method == "GET" else SCRATCH)
    assert any(problem in each for each in run.problems)
    assert run.verdicts is not None
    assert "the run ended before this was asked" in run.verdicts.rules["EX-15"].reasons.values()


def test_nothing_of_the_system_is_in_evidence_report_and_profile(tmp_path: Path) -> None:
    laboratory = Laboratory({"CC-9": {"choice": "absent"}})
    run = run_against(laboratory, tmp_path)
    assert run.verdicts is not None
    evidence, names = evidence_of(run)
    report = report_of(run, run.verdicts, names, "lab", date(2026, 11, 27))
    written = [evidence, *(FORMATS[shape](report) for shape in FORMATS)]
    written.append(write_yaml(profile_of(run, run.verdicts, "lab", date(2026, 11, 27))))
    rules = " ".join(rule.statement for rule in standard_simulation().ledger.values())
    own = {text for text in texts_of(fixture()) if len(text) > 3 and text not in rules} - published()
    assert {"Reception", "foouser@sip.netaxis.be", "secret", "system-admin", "foogroup"} <= own
    for text in written:
        # Whole words only: "main" is in "remaining".
        assert [each for each in own if re.search(rf"(?<!\w){re.escape(each)}(?!\w)", text)] == []


def test_the_evidence_has_both_answers_to_each_request(tmp_path: Path) -> None:
    run = run_against(Laboratory({"CC-9": {"choice": "absent"}}), tmp_path, READ)
    assert run.verdicts is not None
    evidence, names = evidence_of(run)
    lines = [orjson.loads(line) for line in evidence.splitlines()]
    report = report_of(run, run.verdicts, names, "lab", date(2026, 11, 27))
    blamed = next(rule for rule in report["rules"] if rule["verdict"] == "contradicted")
    assert blamed["follows"] == "choice absent"
    line = next(each for each in lines if each["id"] == blamed["parts"][0]["evidence"][0])
    assert line["rule"] == "CC-9"
    assert line["differs"] == ["/users"]
    assert "users" in line["simulator"]["body"]
    assert "users" not in line["laboratory"]["body"]


def test_a_simulator_is_recognised_and_its_answers_are_marked(tmp_path: Path) -> None:
    laboratory = Laboratory()

    def tell(own: Laboratory, request: LabRequest, headers: Mapping[str, str]) -> LabAnswer:
        found = own.answer(request, headers)
        return replace(found, headers={**found.headers, "x-simulator-request-id": "1-1"})

    laboratory.always = tell
    run = run_against(laboratory, tmp_path, READ)
    assert run.verdicts is not None
    assert profile_of(run, run.verdicts, "lab", date(2026, 11, 27))["system"]["simulator"] is True
    report = report_of(run, run.verdicts, {}, "lab", date(2026, 11, 27))
    assert "A simulator gave the answers" in FORMATS["text"](report)
    assert "A simulator gave the answers" in FORMATS["html"](report)


def test_a_large_group_needs_no_more_requests_than_a_small_one(tmp_path: Path) -> None:
    few, many = Laboratory(), Laboratory()
    run_against(few, tmp_path, READ)
    named = {"firstName": "Some", "lastName": "Body"}
    users = {f"user{number}@sip.netaxis.be": named for number in range(500)}
    patch = {"tenants": {"foo": {"groups": {"foogroup": {"users": users}}}}}
    done = many.client.patch("/_simulator/state", json=patch, headers={"Content-Type": "application/merge-patch+json"})
    assert done.status_code == 200
    run = run_against(many, tmp_path, READ)
    assert contradicted(run) == {}
    assert len(many.calls) <= len(few.calls) + 2 * MOST_USERS


def test_what_varies_is_known_before_the_first_question(tmp_path: Path) -> None:
    turn = count()
    laboratory = Laboratory(change=lambda content: {**content, "nonce": next(turn)})
    run = run_of(laboratory, tmp_path, READ)
    run.prepare()
    assert "nonce" in run.volatile


def test_what_somebody_else_changes_meanwhile_makes_the_result_untrustworthy(tmp_path: Path) -> None:
    laboratory = Laboratory()

    def is_changed_by_others(own: Laboratory, request: LabRequest, headers: Mapping[str, str]) -> LabAnswer:
        if request.method == "PUT" and "somebody" not in str(own.changes):
            body = {"name": "somebody else's", "isDefault": False, "maxCalls": 1}
            own.client.post("/api/v1/tenants/foo/groups/foogroup/services/call_capacities/", json=body)
        return own.answer(request, headers)

    laboratory.always = is_changed_by_others
    run = run_against(laboratory, tmp_path, OWN)
    assert [
        each for each in run.problems if each.startswith("the laboratory is not as it was before: /api/v1/tenants/{")
    ]
    assert [change["op"] for change in laboratory.changes] == ["add"]


def answering(end: str, body: bytes, status: int = 200, method: str = "GET") -> Laboratory:
    """A laboratory that always gives this answer where a path ends so."""

    def always(own: Laboratory, request: LabRequest, headers: Mapping[str, str]) -> LabAnswer:
        found = own.answer(request, headers)
        is_meant = request.method == method and request.path.endswith(end)
        return replace(found, status=status, body=body) if is_meant else found

    return Laboratory(always=always)


ODD = (
    b"null",
    b"[]",
    b"{}",
    b"<html>",
    b"",
    b"[" * 1000 + b"]" * 1000,
    b'{"call_capacities": null, "users": null, "assistantUsers": null, "criteria": null}',
    b'{"call_capacities": ["x"], "users": ["x"], "assistantUsers": ["x"], "criteria": ["x"]}',
    b'{"call_capacities": [{}], "users": [{}], "assistantUsers": [{}], "allowOptInOut": 1, "criteria": [{}]}',
    b'{"call_capacities": [{"name": 1}], "users": [{"userId": 1}], "assistantUsers": [{"userId": 1}], "criteria": 1}',
)


@pytest.mark.parametrize("body", ODD, ids=lambda body: body[:45].decode())
@pytest.mark.parametrize("end", ["call_capacities/", "Reception/", "filtering/"])
def test_an_odd_answer_is_a_problem_or_a_difference(end: str, body: bytes, tmp_path: Path) -> None:
    run = run_against(answering(end, body), tmp_path, READ)
    assert run.problems or contradicted(run)
    assert "foo" not in " ".join(run.problems)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"profile": {"user_level": 99}, "ids": {}}',
        b'{"profile": {"user_level": 6}, "ids": {"user_id": 1}}',
        b'{"profile": {"user_level": 6}, "ids": []}',
    ],
)
def test_an_odd_answer_to_the_login_is_a_problem(body: bytes, tmp_path: Path) -> None:
    run = run_against(answering("/login/", body, method="POST"), tmp_path, READ)
    assert run.problems == ["the answer to the login does not tell the level of the account"]


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("G-6", lambda content: [] if "maxIncomingCalls" in content else content),
        ("G-13", lambda content: {**content, "call_capacities": content.get("call_capacities", [])[:1]}),
    ],
)
def test_a_rule_is_not_confirmed_by_an_answer_without_what_it_is_about(
    rule: str, change: Callable[[Any], Any], tmp_path: Path
) -> None:
    laboratory = Laboratory()
    run = run_of(laboratory, tmp_path)
    conformity = run.prepare()
    laboratory.change = lambda content: change(content) if isinstance(content, dict) else content
    probe = next(each for each in load_probes(standard_simulation().ledger).probes if each.rule == rule)
    outcome = conformity.ask(probe)
    assert outcome.verdict == "not decidable"
    assert outcome.reason == "the answer does not show what the rule is about"


def test_an_attribute_with_the_name_status_that_varies_hides_no_status(tmp_path: Path) -> None:
    turn = count()

    def vary(content: Any) -> Any:
        return {**content, "status": next(turn)} if isinstance(content, dict) and "errors" not in content else content

    run = run_against(Laboratory({"G-4": {"choice": "ignore"}}, change=vary), tmp_path, OWN)
    assert "status" in run.volatile
    assert contradicted(run) == {"G-4": {"choice": "ignore"}}


@pytest.mark.parametrize("end", ["zz-conform-1a2b3c-unknown/", "/call_capacities"])
def test_a_403_where_a_refusal_is_expected_is_a_difference_and_does_not_end_the_run(end: str, tmp_path: Path) -> None:
    run = run_against(answering(end, b"", 403), tmp_path, READ)
    assert run.problems == []
    assert set(contradicted(run)) <= {"G-1", "G-8", "G-9", "EX-14"}
    assert "G-1" in contradicted(run)


def test_where_a_403_says_that_nothing_is_there_nothing_is_written(tmp_path: Path) -> None:
    laboratory = answering("zz-conform-1a2b3c-unknown/", b"", 403)
    run = run_against(laboratory, tmp_path, OWN)
    assert "nothing can be proved deleted" in " ".join(run.problems)
    assert {request.method for request in laboratory.calls if "login" not in request.path} == {"GET"}


def test_what_somebody_changes_after_the_twin_was_made_blames_no_rule(tmp_path: Path) -> None:
    laboratory = Laboratory()
    conformity = run_of(laboratory, tmp_path, READ).prepare()
    target = "/api/v1/tenants/foo/groups/foogroup/services/call_capacities/disposable/"
    body = orjson.dumps({"userIds": ["user_1@sip.netaxis.be"]})
    headers = {"Authorization": "Bearer system-admin", "Content-Type": "application/json"}
    assert laboratory.answer(LabRequest(method="PUT", target=target, body=body), headers).status == 200
    for rule in ("CC-9", "CC-12"):
        probe = next(each for each in load_probes(standard_simulation().ledger).probes if each.rule == rule)
        outcome = conformity.ask(probe)
        assert outcome.verdict == "not decidable"
        assert "somebody else has changed something" in outcome.reason


def texts_about(run: Run) -> str:
    """All that is written about a run."""
    assert run.verdicts is not None
    evidence, names = evidence_of(run)
    report = report_of(run, run.verdicts, names, "lab", date(2026, 11, 27))
    shown = [FORMATS[shape](report) for shape in FORMATS]
    return "\n".join([evidence, *shown, write_yaml(profile_of(run, run.verdicts, "lab", date(2026, 11, 27)))])


def test_a_default_that_is_a_text_of_the_system_is_not_in_report_and_profile(tmp_path: Path) -> None:
    def fill(content: Any) -> Any:
        if isinstance(content, dict) and "fromDnCriteria" in content:
            return {**content, "fromDnCriteria": {**content["fromDnCriteria"], "phoneNumbers": ["+3225559999"]}}
        return content

    run = run_against(Laboratory(change=fill), tmp_path)
    assert contradicted(run) == {"EX-12": {}}
    assert "+3225559999" not in texts_about(run)


def test_a_user_id_in_the_place_of_an_attribute_is_not_in_report_and_evidence(tmp_path: Path) -> None:
    turn = count()

    def add(content: Any) -> Any:
        if not isinstance(content, dict) or "errors" in content:
            return content
        return {**content, "jane.roe@acme.example": 1, "john.doe@acme.example": next(turn), "colour": "red"}

    run = run_against(Laboratory(change=add), tmp_path, READ)
    written = texts_about(run)
    assert "acme" not in written
    assert "/colour" in written


def test_a_profile_that_leaves_the_rules_out_of_errors_can_be_followed(tmp_path: Path) -> None:
    profile = {"G-8": {"choice": "detail"}}
    run = run_of(Laboratory(profile), tmp_path, READ)
    run.simulation = standard_simulation().following(profile_document(profile))
    run.go()
    assert run.problems == []
    assert contradicted(run) == {}
    assert {"G-1", "G-9", "EX-1"} <= set(confirmed(run))


def test_a_difference_in_what_the_twin_was_made_of_is_listed(tmp_path: Path) -> None:
    def shorten(content: Any) -> Any:
        shown = isinstance(content, dict) and "criteria" in content
        return {**content, "criteria": [each["name"] for each in content["criteria"]]} if shown else content

    run = run_against(Laboratory(change=shorten), tmp_path, READ)
    assert run.verdicts is not None
    assert ("getFiltering", "/criteria") in run.verdicts.others


TOKEN = Credentials(token="system-admin")


def test_the_settings_of_the_fresh_user_blame_no_other_rule(tmp_path: Path) -> None:
    run = run_against(Laboratory(), tmp_path, replace(READ, fresh_user="foouser@sip.netaxis.be"), TOKEN)
    assert set(contradicted(run)) == {"EX-16"}


@pytest.mark.parametrize("group", ["bargroup", "nobody"])
def test_a_scratch_group_without_capacities_is_told(group: str, tmp_path: Path) -> None:
    run = run_against(Laboratory(), tmp_path, replace(SCRATCH, scratch_group=group))
    assert run.problems == ["the scratch group shows no call capacities; check --scratch-group"]


def test_a_second_account_that_the_twin_cannot_have_blames_no_observed_rule(tmp_path: Path) -> None:
    accounts = replace(ACCOUNTS, second_username="sophie")
    run = run_of(Laboratory(), tmp_path, READ, accounts)
    rules = {rule: {"verdict": "confirmed"} for rule in ("A-1", "A-2", "A-7")}
    run.simulation = standard_simulation().following(profile_document(rules))
    run.go()
    assert contradicted(run) == {}
    assert not {"A-1", "A-2", "A-7"} & set(confirmed(run))


def test_what_is_not_as_documented_is_told_without_words_that_somebody_can_be_called(tmp_path: Path) -> None:
    laboratory = Laboratory({"G-8": {"choice": "detail"}})
    patch = {
        "tenants": {"foo": {"groups": {"foogroup": {"users": {FRESH: {"firstName": "Another", "lastName": "Bytes"}}}}}}
    }
    headers = {"Content-Type": "application/merge-patch+json"}
    assert laboratory.client.patch("/_simulator/state", json=patch, headers=headers).status_code == 200
    run = run_against(laboratory, tmp_path, READ)
    evidence, _ = evidence_of(run)
    lines = [orjson.loads(line) for line in evidence.splitlines()]
    refused = next(each for each in lines if each["part"] == "the body of an error")
    assert set(refused["laboratory"]) == {"status", "length"}
    assert set(refused["simulator"]) == {"status", "codes"}

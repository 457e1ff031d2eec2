"""A run puts everything back, whatever the laboratory does at a request, and wherever the run is interrupted."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from simulator.app import standard_simulation
from simulator.lab.cleaning import clean_later
from simulator.lab.client import LabClient, Untrustworthy
from simulator.lab.exchange import LabAnswer, LabRequest
from simulator.lab.ledger import BrokenLedger, RunLedger
from simulator.lab.probes import load_probes
from tests.lab.laboratory import ACCOUNTS, READ, SCRATCH, Behaviour, Laboratory, run_against, run_of

WRITING = {
    ("CC-2", "a new capacity"),
    ("CC-3", "a name in use"),
    ("CC-6", "a second default"),
    ("CC-6", "a group without a default"),
    ("CC-7", "a member of another capacity"),
    ("CC-10", "a new name"),
    ("CC-11", "the members of a deleted capacity"),
    ("EX-4", "null for the list"),
    ("EX-6", "other attributes of a criterion"),
    ("EX-9", "a mode without its value"),
    ("EX-14", "a new name"),
    ("G-4", "an undocumented attribute"),
    ("G-7", "a refused change of the filtering"),
    ("G-12", "a blank at the end of a name"),
}
"""Probes that write in all the ways there are."""


def answer(status: int, body: object = None) -> LabAnswer:
    return LabAnswer(status=status, headers={}, body=b"" if body is None else orjson.dumps(body))


def refuses(_: Laboratory, __: LabRequest, ___: Mapping[str, str]) -> LabAnswer:
    return answer(409, {"message": "no"})


def fails(_: Laboratory, __: LabRequest, ___: Mapping[str, str]) -> LabAnswer:
    return answer(500)


def fails_after_it_is_done(laboratory: Laboratory, request: LabRequest, headers: Mapping[str, str]) -> LabAnswer:
    laboratory.answer(request, headers)
    return answer(500)


def hangs(_: Laboratory, __: LabRequest, ___: Mapping[str, str]) -> LabAnswer:
    raise TimeoutError("timed out")


def hangs_after_it_is_done(laboratory: Laboratory, request: LabRequest, headers: Mapping[str, str]) -> LabAnswer:
    laboratory.answer(request, headers)
    raise TimeoutError("timed out")


def is_interrupted_before(_: Laboratory, __: LabRequest, ___: Mapping[str, str]) -> LabAnswer:
    raise KeyboardInterrupt


def is_interrupted_after(laboratory: Laboratory, request: LabRequest, headers: Mapping[str, str]) -> LabAnswer:
    laboratory.answer(request, headers)
    raise KeyboardInterrupt


def accepts(laboratory: Laboratory, request: LabRequest, headers: Mapping[str, str]) -> LabAnswer:
    """Whatever is refused is done as far as it can be done, with another name if need be."""
    right = laboratory.answer(request, headers)
    if right.status < 400 or request.method not in ("POST", "PUT"):
        return right
    sent = orjson.loads(request.body or b"{}")
    name = sent["name"].strip() if "name" in sent else None
    criterion = "/criteria/" in request.target
    body = {**({} if name is None else {"name": name}), **({} if criterion else {"isDefault": False, "maxCalls": 1})}
    done = laboratory.answer(replace(request, body=orjson.dumps(body)), headers)
    return done if done.status < 400 else answer(200, sent)


@pytest.mark.parametrize(
    "misbehaviour",
    [
        refuses,
        fails,
        fails_after_it_is_done,
        hangs,
        hangs_after_it_is_done,
        is_interrupted_before,
        is_interrupted_after,
        accepts,
    ],
)
def test_nothing_is_left_whatever_happens_at_any_request(misbehaviour: Behaviour, tmp_path: Path) -> None:
    laboratory = Laboratory()
    conformity = run_of(laboratory, tmp_path).prepare()
    probes = [each for each in load_probes(standard_simulation().ledger).probes if (each.rule, each.part) in WRITING]
    writing = [each for each in probes if each.permission]
    assert {(each.rule, each.part) for each in writing} == WRITING
    for probe in writing:
        laboratory.at, number = 0, 1
        laboratory.misbehaviour = misbehaviour
        while number == 1 or len(laboratory.calls) >= laboratory.at:
            laboratory.calls.clear()
            laboratory.at = number
            try:
                conformity.ask(probe)
            except (Untrustworthy, KeyboardInterrupt):
                laboratory.at = 0
                assert conformity.clean() == []
                laboratory.at = number
            assert laboratory.changes == [], (probe.rule, probe.part, number)
            assert conformity.client.ledger.entries == {}
            number += 1
        assert number > 4


def test_what_a_killed_run_left_is_undone_later_by_its_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laboratory = Laboratory()
    run = run_of(laboratory, tmp_path)
    conformity = run.prepare()
    probe = next(each for each in load_probes(standard_simulation().ledger).probes if each.part == "a second default")
    laboratory.misbehaviour = is_interrupted_after
    laboratory.at = len(laboratory.calls) + 2
    with monkeypatch.context() as killed:
        killed.setattr("simulator.lab.conform.clean", lambda *_: [])
        with pytest.raises(KeyboardInterrupt):
            conformity.ask(probe)
    assert laboratory.changes != []
    client = LabClient("http://lab.example.com", standard_simulation().contract, ACCOUNTS, pace=0)
    client.address = laboratory  # type: ignore[assignment]
    assert clean_later(client, RunLedger.read(run.file)) == []
    assert laboratory.changes == []
    assert not run.file.exists()


def test_a_system_that_never_lets_go_is_reported_and_the_ledger_stays(tmp_path: Path) -> None:
    laboratory = Laboratory()

    def keeps(own: Laboratory, request: LabRequest, headers: Mapping[str, str]) -> LabAnswer:
        return answer(409, {}) if request.method == "DELETE" else own.answer(request, headers)

    laboratory.always = keeps
    run = run_against(laboratory, tmp_path)
    assert "zz-conform-1a2b3c-a is still there" in run.problems
    assert [each.name for each in RunLedger.read(run.file).entries.values()] == ["zz-conform-1a2b3c-a"]  # type: ignore[union-attr]


def test_an_interruption_at_any_request_of_a_run_leaves_nothing(tmp_path: Path) -> None:
    whole = len(run_against(laboratory := Laboratory(), tmp_path, SCRATCH).client.ledger.entries)
    assert whole == 0
    calls = len(laboratory.calls)
    for number in range(1, calls, 151):
        laboratory.calls.clear()
        laboratory.at, laboratory.misbehaviour = number, is_interrupted_after
        run = run_against(laboratory, tmp_path, SCRATCH)
        assert run.was_interrupted
        assert run.problems == ["the run was interrupted"]
        assert laboratory.changes == []
        assert list(tmp_path.iterdir()) == []


def test_a_run_that_only_reads_has_no_ledger_on_disk(tmp_path: Path) -> None:
    run = run_of(Laboratory(), tmp_path, READ)
    run.prepare()
    assert list(tmp_path.iterdir()) == []


CAPACITIES = "/api/v1/tenants/foo/groups/foogroup/services/call_capacities/"
SCREENING = "/api/v1/tenants/foo/groups/foogroup/users/user_1@sip.netaxis.be/services/executive/screening/"
REAL = f"{CAPACITIES}Reception/"
ABOUT: dict[str, Any] = {
    "version": 1,
    "system": "http://lab.example.com",
    "prefix": "zz-conform-1a2b3c-",
    "collections": {CAPACITIES: True},
    "parts": [],
    "scratch_default": None,
    "absent": [404],
    "volatile": [],
}
OWN_ENTRY = {"collection": CAPACITIES, "name": "zz-conform-1a2b3c-a", "path": f"{CAPACITIES}zz-conform-1a2b3c-a/"}
CHANGED = {"path": SCREENING, "body": {"enabled": True}, "content": {}}
DEFAULT = {"path": REAL, "body": {"isDefault": True, "maxCalls": 0}, "content": {}}


@pytest.mark.parametrize(
    ("about", "entry"),
    [
        ({}, {"collection": CAPACITIES, "name": "Reception", "path": REAL}),
        ({}, {**OWN_ENTRY, "path": REAL}),
        ({}, CHANGED),
        ({"scratch_default": REAL}, DEFAULT),
        ({"prefix": ""}, OWN_ENTRY),
        ({"prefix": "zz-conform-"}, OWN_ENTRY),
        ({"prefix": None}, OWN_ENTRY),
        ({"collections": {"/api/v1/tenants/foo/": True}}, OWN_ENTRY),
        ({"collections": [CAPACITIES]}, OWN_ENTRY),
        ({"parts": [REAL]}, OWN_ENTRY),
        ({"scratch_default": SCREENING}, OWN_ENTRY),
        ({"absent": 404}, OWN_ENTRY),
        ({"volatile": None}, OWN_ENTRY),
        ({"system": "http://other.example.com"}, OWN_ENTRY),
        ({"system": "http://lab.example.com/other"}, OWN_ENTRY),
    ],
)
def test_with_a_ledger_of_something_else_nothing_is_sent(
    about: dict[str, Any], entry: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "edited.ledger"
    file.write_bytes(orjson.dumps({**ABOUT, **about}) + b"\n" + orjson.dumps(entry) + b"\n")
    laboratory = Laboratory()
    client = LabClient("http://lab.example.com", standard_simulation().contract, ACCOUNTS, pace=0)
    client.address = laboratory  # type: ignore[assignment]
    with pytest.raises(BrokenLedger):
        clean_later(client, RunLedger.read(file))
    assert laboratory.calls == []
    assert laboratory.changes == []


def with_name(change: Callable[[str], str]) -> Behaviour:
    """A system that stores another name than the one that was sent."""

    def misbehave(own: Laboratory, request: LabRequest, headers: Mapping[str, str]) -> LabAnswer:
        if request.method == "POST" and "name" in (sent := orjson.loads(request.body or b"{}")):
            request = replace(request, body=orjson.dumps({**sent, "name": change(sent["name"])}))
        return own.answer(request, headers)

    return misbehave


@pytest.mark.parametrize("change", [str.upper, str.title, str.strip, lambda name: name[:30], lambda name: name[:17]])
def test_what_a_system_stores_under_another_name_is_deleted_too(change: Callable[[str], str], tmp_path: Path) -> None:
    laboratory = Laboratory(always=with_name(change))
    conformity = run_of(laboratory, tmp_path).prepare()
    for probe in load_probes(standard_simulation().ledger).probes:
        if (probe.rule, probe.part) in WRITING:
            conformity.ask(probe)
            assert laboratory.changes == [], probe.part


def test_what_is_listed_is_not_believed_to_be_gone(tmp_path: Path) -> None:
    def loses(own: Laboratory, request: LabRequest, headers: Mapping[str, str]) -> LabAnswer:
        return answer(404) if "/zz-conform" in request.target else own.answer(request, headers)

    run = run_against(Laboratory(always=loses), tmp_path)
    assert "zz-conform-1a2b3c-a is still there" in " ".join(run.problems)
    assert [entry.path for entry in RunLedger.read(run.file).entries.values()] == [f"{CAPACITIES}zz-conform-1a2b3c-a/"]


def test_what_cannot_be_listed_is_not_believed_to_be_gone(tmp_path: Path) -> None:
    laboratory = Laboratory()

    def breaks(own: Laboratory, request: LabRequest, headers: Mapping[str, str]) -> LabAnswer:
        written = any(each.method == "POST" and "/call_cap" in each.target for each in own.calls)
        is_list = request.method == "GET" and request.target.endswith("/call_capacities/")
        return answer(404) if written and is_list else own.answer(request, headers)

    laboratory.always = breaks
    run = run_against(laboratory, tmp_path)
    assert any("is still there" in each for each in run.problems)
    assert run.file.exists()


def test_a_full_disk_ends_the_run_and_everything_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laboratory = Laboratory()
    run = run_of(laboratory, tmp_path)

    def full(_: int) -> None:
        if any('isDefault":true' in (each.body or b"").decode() for each in laboratory.calls):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    run.go()
    assert "No space left" in " ".join(run.problems)
    assert laboratory.changes == []
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_somebody_changed_while_the_run_looked_is_put_back(tmp_path: Path) -> None:
    laboratory = Laboratory()
    turn = count()

    def flips(own: Laboratory, request: LabRequest, headers: Mapping[str, str]) -> LabAnswer:
        found = own.answer(request, headers)
        if request.method == "GET" and request.target.endswith("/screening/") and next(turn) == 0:
            return replace(found, body=found.body.replace(b"false", b"true"))
        return found

    laboratory.always = flips
    run = run_against(laboratory, tmp_path)
    assert "enabled" in run.volatile
    assert laboratory.changes == []


def test_criteria_of_the_scratch_user_are_safe_from_a_system_that_takes_a_list_for_all(tmp_path: Path) -> None:
    laboratory = Laboratory()

    def replaces(own: Laboratory, request: LabRequest, headers: Mapping[str, str]) -> LabAnswer:
        sent = orjson.loads(request.body or b"{}") if request.target.endswith("/filtering/") else {}
        if "criteria" in sent:
            path = request.target.replace("filtering/", "criteria/")
            for name in {"foocriteria", "disposable"} - {each["name"] for each in sent["criteria"]}:
                own.answer(LabRequest(method="DELETE", target=f"{path}{name}/"), headers)
        return own.answer(request, headers)

    laboratory.always = replaces
    run = run_against(laboratory, tmp_path, replace(SCRATCH, scratch_user="foouser@sip.netaxis.be"))
    assert run.problems == []
    assert laboratory.changes == []
    assert run.verdicts is not None
    assert "it needs --scratch-user with a user who has no criteria" in run.verdicts.rules["EX-6"].reasons.values()


@pytest.mark.parametrize("path", ["/screening/", "/assistants/", "/filtering/", "/alerting/", "/Reception/"])
def test_what_cannot_be_put_back_is_not_changed(path: str, tmp_path: Path) -> None:
    laboratory = Laboratory()

    def refuses_all_of_it(own: Laboratory, request: LabRequest, headers: Mapping[str, str]) -> LabAnswer:
        whole = len(orjson.loads(request.body or b"{}")) > 1 or path in ("/assistants/", "/Reception/")
        is_meant = request.method == "PUT" and request.target.endswith(path) and whole
        return answer(400, {}) if is_meant else own.answer(request, headers)

    laboratory.always = refuses_all_of_it
    run = run_against(laboratory, tmp_path)
    assert any("could not be put back" in each for each in run.problems)
    assert not any("left behind" in each or "as it was" in each for each in run.problems)
    assert laboratory.changes == []
    assert list(tmp_path.iterdir()) == []


SOMEBODY = {"Authorization": "Bearer system-admin"}


@pytest.mark.parametrize(
    ("part", "target", "body"),
    [
        ("an assistant twice", "users/user_2@sip.netaxis.be/services/executive/assistants/", {"allowOptInOut": True}),
        ("a second default", "services/call_capacities/Reception/", {"name": "Front desk"}),
        ("a deleted default", "services/call_capacities/disposable/", {"isDefault": True}),
    ],
)
def test_what_somebody_else_has_changed_meanwhile_is_left_alone(
    part: str, target: str, body: dict[str, Any], tmp_path: Path
) -> None:
    laboratory = Laboratory()
    conformity = run_of(laboratory, tmp_path).prepare()
    changing = LabRequest(method="PUT", target=f"/api/v1/tenants/foo/groups/foogroup/{target}", body=orjson.dumps(body))
    assert laboratory.answer(changing, {**SOMEBODY, "Content-Type": "application/json"}).status == 200
    changes = laboratory.changes
    probe = next(each for each in load_probes(standard_simulation().ledger).probes if each.part == part)
    with pytest.raises(Untrustworthy, match="somebody else has changed"):
        conformity.ask(probe)
    assert laboratory.changes == changes


def test_a_folder_that_takes_no_ledger_ends_the_run_before_anything_is_written(tmp_path: Path) -> None:
    laboratory = Laboratory()
    run = run_against(laboratory, tmp_path / "none")
    assert run.problems == ["the ledger of the run cannot be written: No such file or directory"]
    assert {each.method for each in laboratory.calls if "login" not in each.target} == {"GET"}

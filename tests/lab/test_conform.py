"""A comparison with a laboratory blames the rules that are different there, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from simulator.app import standard_simulation
from simulator.lab.guard import PREFIX
from simulator.lab.probes import load_probes
from simulator.lab.report import evidence_of, profile_of, report_of
from tests.lab.laboratory import (
    OWN,
    PLANS,
    READ,
    SCRATCH,
    Laboratory,
    all_choices,
    confirmed,
    contradicted,
    fixture,
    run_against,
)

CORRECTIONS: list[dict[str, dict[str, Any]]] = [
    *({rule: {"choice": choice}} for rule, choice in all_choices()),
    {"CC-7": {"status": 409}},
    {"G-2": {"status": 416}},
    {"G-9": {"status": 410}},
    {"EX-1": {"status": 409}},
    {"CC-1": {"status": 409}},
    {"A-2": {"status": 404}},
    {"EX-16": {"values": {"/alerting/nextAssistantAfter": 7}}},
    {"EX-10": {"values": {"/active": False}}},
    {"EX-12": {"values": {"/selection": "Any External"}}},
    {"CC-9": {"choice": "absent"}, "EX-2": {"choice": "leave"}, "G-13": {"choice": "name"}, "G-3": {"choice": "accept"}},
]


def probed() -> set[str]:
    return {probe.rule for probe in load_probes(standard_simulation().ledger).probes}


@pytest.mark.parametrize(("level", "least"), [("read", 18), ("own", 30), ("scratch", 48)])
def test_of_a_system_that_is_as_documented_nothing_is_contradicted(level: str, least: int, tmp_path: Path) -> None:
    laboratory = Laboratory()
    run = run_against(laboratory, tmp_path, PLANS[level])
    assert run.problems == []
    assert contradicted(run) == {}
    assert run.verdicts is not None
    assert run.verdicts.others == ()
    assert len(confirmed(run)) >= least
    assert laboratory.changes == []
    assert list(tmp_path.iterdir()) == []


def test_with_all_permissions_every_rule_that_has_a_probe_is_confirmed(tmp_path: Path) -> None:
    assert set(confirmed(run_against(Laboratory(), tmp_path))) == probed()


@pytest.mark.parametrize("profile", CORRECTIONS, ids=lambda each: "-".join(each))
def test_what_a_system_does_otherwise_is_blamed_on_exactly_its_rule(profile: dict[str, Any], tmp_path: Path) -> None:
    laboratory = Laboratory(profile)
    run = run_against(laboratory, tmp_path)
    assert run.problems == []
    assert contradicted(run) == profile
    assert run.verdicts is not None
    assert run.verdicts.others == ()
    assert set(confirmed(run)) == probed() - profile.keys()
    assert laboratory.changes == []

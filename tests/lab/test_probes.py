"""Every rule has a probe or a reason for none, and each probe asks about its rule."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from simulator.app import standard_simulation
from simulator.errors import BrokenDocument
from simulator.lab.conform import Conformity
from simulator.lab.guard import Permission
from simulator.lab.probes import NOBODY, PROBES, Probe, lab_request, load_probes
from simulator.lab.words import MISSING
from tests.lab.laboratory import Laboratory, run_of

LEDGER = standard_simulation().ledger
ALL = load_probes(LEDGER)
PAGE = Path(__file__).parents[2] / "docs" / "laboratory.md"


@pytest.fixture(scope="module")
def conformity(tmp_path_factory: pytest.TempPathFactory) -> Conformity:
    return run_of(Laboratory(), tmp_path_factory.mktemp("run")).prepare()


def test_each_rule_has_a_probe_or_a_reason_for_none() -> None:
    probed = {each.rule for each in ALL.probes}
    assert probed.isdisjoint(ALL.without)
    assert {*probed, *ALL.without} == set(LEDGER)
    assert all(reason.endswith(".") for reason in ALL.without.values())


def test_a_rule_without_either_or_with_both_is_a_mistake(tmp_path: Path) -> None:
    text = PROBES.read_text("utf-8")
    file = tmp_path / "probes.yaml"
    file.write_text(text.replace("  G-17: Only", "  G-9: Only").replace("rule: CC-12", "rule: CC-99"), encoding="utf-8")
    with pytest.raises(BrokenDocument) as broken:
        load_probes(LEDGER, file)
    for mistake in ("CC-12 needs", "G-17 needs", "G-9 needs", "has no rule CC-99"):
        assert mistake in str(broken.value)


@pytest.mark.parametrize("probe", ALL.probes, ids=lambda each: f"{each.rule}: {each.part}")
def test_the_twin_names_exactly_the_rule_of_a_probe(probe: Probe, conformity: Conformity) -> None:
    conformity.twin.restore()
    requests = [lab_request(step, conformity.contract, conformity.words) for step in probe.steps]
    answers = [conformity.twin.ask(request) for request in requests]
    named = [
        conformity.twin.named_rules(step.operation, answer) for step, answer in zip(probe.steps, answers, strict=True)
    ]
    if probe.named == NOBODY:
        # S-9 says which rules no answer names.
        assert probe.rule in ("A-4", "G-7", "G-8", "G-11", "G-12")
        return
    assert probe.named in set().union(*named)
    # After a new name, the old one is unknown.
    also = {"G-9"} if probe.part == "a new name" else set()
    for step, answer, rules in zip(probe.steps, answers, named, strict=True):
        if step.decides and answer.status >= 400:
            assert rules <= {probe.named} | also


def test_each_word_stands_for_something_or_has_a_reason_for_nothing(conformity: Conformity) -> None:
    words = conformity.words
    used = set(re.findall(r"\{(\w+)\}", PROBES.read_text("utf-8").partition("\nprobes:")[2]))
    used |= {word for probe in ALL.probes for step in probe.steps for word in (step.user, step.group) if word}
    assert used == {*words.texts, *words.users} & used
    always = {"new", "newer", "short", "long", "unknown"}
    assert used - always == set(MISSING)


def test_the_page_says_how_many_rules_each_permission_can_decide() -> None:
    parts: dict[str, dict[str, Permission]] = {}
    for probe in ALL.probes:
        own = parts.setdefault(probe.rule, {})
        own[probe.part] = min(probe.permission, own.get(probe.part, probe.permission))
    needed = Counter(max(own.values()) for own in parts.values())
    rows = re.findall(r"^\| (read|own|scratch) \|.*\| (\d+)(?: more)? \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows == [(each.name.lower(), str(needed[each])) for each in Permission]


def test_each_part_decides_something() -> None:
    for probe in ALL.probes:
        assert any(step.decides for step in probe.steps), probe.part
        assert probe.steps[-1].decides, probe.part


def test_a_list_of_criteria_is_only_sent_to_a_user_who_has_no_others() -> None:
    steps = [step for probe in ALL.probes for step in probe.steps if isinstance(step.body, dict)]
    users = {step.user for step in steps if "criteria" in step.body}
    assert users == {"scratch_user_without_criteria"}

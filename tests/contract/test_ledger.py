"""The ledger: complete, used, and proven."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from simulator.app import Simulation
from simulator.contract.ledger import load_ledger
from simulator.errors import BrokenDocument
from tools.contract_checks.fidelity import PAGE, assumption, with_rules

ROOT = Path(__file__).parents[2]
RULE_ID = re.compile(r"\b(?:G|A|CC|EX)-\d+\b")


def proven_rules() -> set[str]:
    """The rules named by `@pytest.mark.rule` in any test."""
    found: set[str] = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.rule":
                found.update(ast.literal_eval(argument) for argument in node.args)
    return found


def test_every_rule_is_proven_by_a_test_and_every_mark_names_a_rule() -> None:
    assert proven_rules() == set(load_ledger())


@pytest.mark.parametrize("pattern", ["simulator/**/*.py", "openapi.yaml", "fixtures/*.yaml", "*.md"])
def test_every_rule_named_anywhere_is_in_the_ledger(pattern: str) -> None:
    files = list(ROOT.glob(pattern))
    named = {rule for file in files for rule in RULE_ID.findall(file.read_text(encoding="utf-8"))}
    assert files
    assert named - set(load_ledger()) == set()


def test_every_service_rule_is_named_by_an_operation_of_the_contract(simulation: Simulation) -> None:
    named = {rule for operation in simulation.contract.operations.values() for rule in operation.rules}
    assert {rule for rule in load_ledger() if rule[:2] in ("CC", "EX")} - named == set()


def test_the_page_on_fidelity_lists_the_rules_as_the_ledger_has_them() -> None:
    page, rules = PAGE.read_text(encoding="utf-8"), load_ledger().values()
    assert page == with_rules(page, rules), "write it with: python -m tools.contract_checks.fidelity"
    for rule in rules:
        assert page.count(f"\n| {rule.id} | ") == 1


def test_a_rule_of_which_a_part_is_assumed_says_which() -> None:
    assert [rule.id for rule in load_ledger().values() if ("assumed" in rule.basis) != bool(assumption(rule))] == []


def test_what_is_known_from_the_vendor_names_a_page_and_its_address() -> None:
    rules = [rule for rule in load_ledger().values() if "vendor" in rule.basis]
    assert len(rules) > 5
    for rule in rules:
        source = rule.source.partition("vendor: ")[2].partition("assumed: ")[0]
        assert re.match(r'"[^"]+" \(https://[\w./-]+\)', source), rule.id


def test_a_source_explains_every_kind_of_knowledge_that_a_rule_rests_on() -> None:
    for rule in load_ledger().values():
        kinds = re.findall(r"\b(documented|vendor|platform|assumed)(?:, and contradictory)?: ", rule.source)
        assert set(kinds) == set(rule.basis), rule.id


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must be a list of rules"),
        ("- {id: G-1, statement: s}", "must have id, statement, basis, source and perhaps refusals"),
        (
            "- {id: G-1, statement: s, basis: [vendor], source: s, refusals: [assumed]}",
            "must be a list of what stands in basis",
        ),
        ("- {id: G-1, statement: s, basis: [guessed], source: s}", "must be a list of documented, vendor"),
        ("- &r {id: G-1, statement: s, basis: [vendor], source: s}\n- *r", "the rule G-1 stands here twice"),
    ],
)
def test_a_broken_ledger_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "ledger.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BrokenDocument, match=problem):
        load_ledger(file)

"""Profiles as files: what one may hold, and every mistake in one with its place (S-14)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulator.app import Simulation, create_app
from simulator.contract.ledger import Rule, load_ledger
from simulator.contract.profile import NO_PROFILE, digest
from simulator.errors import BrokenDocument
from simulator.services.executive.model import Executive
from simulator.services.executive.operations import DEFAULT_SCHEMAS, PARTS

pytestmark = pytest.mark.rule("S-14")

LEDGER = load_ledger()
HEAD = f"version: 1\nsystem: {{name: lab-1, observed: 2026-11-27}}\nledger: {digest(LEDGER)}\nrules:\n"
EXAMPLE = """\
  CC-1: {verdict: confirmed}
  CC-9: {verdict: contradicted, choice: absent}
  CC-7: {verdict: contradicted, status: 409}
  EX-16: {verdict: contradicted, values: {/alerting/nextAssistantAfter: 7}}
  EX-10: {verdict: contradicted, values: {/active: false}}
  EX-12: {verdict: contradicted, values: {/selection: Any External}}
  EX-9: {verdict: contradicted}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "lab.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def problems(simulation: Simulation, profile: Any) -> list[str]:
    with pytest.raises(BrokenDocument) as broken:
        simulation.following(profile)
    return [str(each) for each in broken.value.problems]


def test_a_profile_tells_what_is_confirmed_what_is_followed_and_what_cannot_be(
    simulation: Simulation, tmp_path: Path
) -> None:
    profile = simulation.following(written(tmp_path, HEAD + EXAMPLE)).profile
    assert (profile.system, profile.date, profile.is_simulator) == ("lab-1", "2026-11-27", False)
    assert profile.confirmed == ("CC-1",)
    assert profile.followed == ("CC-9", "CC-7", "EX-16", "EX-10", "EX-12")
    assert profile.not_followed == ("EX-9",)
    assert (profile.choices, profile.statuses) == ({"CC-9": "absent"}, {"CC-7": 409})
    assert profile.values["EX-16"] == {"alerting": {"next_assistant_after": 7}}


def test_a_profile_may_be_of_a_simulator_and_have_no_rules(simulation: Simulation) -> None:
    system = {"name": "other", "observed": "2026-01-31", "simulator": True}
    followed = simulation.following(
        {"version": 1, "system": system, "ledger": digest(LEDGER), "rules": {"CC-9": {"verdict": "confirmed"}}}
    )
    profile = followed.profile
    assert profile.is_simulator
    assert followed.ledger == simulation.ledger  # What a simulator does is no observation.
    assert profile.observations["CC-9"].text == "other (a simulator) (observed 2026-01-31) does the same."
    empty = simulation.following({"version": 1, "system": system, "ledger": digest(LEDGER), "rules": {}})
    assert empty.ledger == simulation.ledger
    assert simulation.following(None).profile is NO_PROFILE


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("CC-99: {verdict: confirmed}", "5: /rules/CC-99: is no rule of the ledger; did you mean 'CC-9'? (S-14)"),
        ("S-1: {verdict: confirmed}", "5: /rules/S-1: is a rule about the simulator's own interface"),
        ("CC-9: {choice: absent}", "5: /rules/CC-9/verdict: is required (S-14)"),
        ("CC-9: {verdict: refuted}", "5: /rules/CC-9/verdict: must be one of"),
        ("CC-9: confirmed", "5: /rules/CC-9: must be an object, not"),
        ("CC-9: {verdict: confirmed, stats: 1}", "did you mean 'status'?"),
        ("CC-9: {verdict: contradicted, choice: absnt}", "there are: absent; did you mean 'absent'? (S-14)"),
        (
            "CC-7: {verdict: contradicted, choice: absent}",
            "5: /rules/CC-7/choice: is no choice of the rule CC-7; there are: none",
        ),
        (
            "CC-9: {verdict: confirmed, choice: absent}",
            "5: /rules/CC-9/choice: is only for a rule that is contradicted",
        ),
        ("CC-7: {verdict: confirmed, status: 409}", "5: /rules/CC-7/status: is only for a rule that is contradicted"),
        ("CC-7: {verdict: contradicted, status: 500}", "5: /rules/CC-7/status: must be 499 or less, not 500 (S-14)"),
        ("CC-7: {verdict: contradicted, status: '409'}", "5: /rules/CC-7/status: must be an integer from 400 to 499"),
        ("CC-9: {verdict: contradicted, status: 409}", "CC-9 refuses nothing"),
        ("CC-9: {verdict: contradicted, values: {/x: 1}}", "is only for rules about defaults (EX-10, EX-12, EX-16)"),
        ("EX-10: {verdict: contradicted, values: {}}", "5: /rules/EX-10/values: must have an entry"),
        ("EX-10: {verdict: contradicted, values: 1}", "5: /rules/EX-10/values: must be an object, not 1"),
        ("EX-10: {verdict: contradicted, values: {active: false}}", "/values/active: must be a JSON Pointer"),
        ("EX-10: {verdict: contradicted, values: {/activ: false}}", "did you mean 'active'?"),
        ("EX-10: {verdict: contradicted, values: {/active: 'no'}}", "/values/~1active: must be true or false"),
        ("EX-10: {verdict: contradicted, values: {/name: a}}", "/values/~1name: is not a documented attribute"),
        ("EX-12: {verdict: contradicted, values: {/phoneNumbers: ['']}}", "/values/~1phoneNumbers/0: must have"),
        ("EX-16: {verdict: contradicted, values: {/alert/mode: Sequential}}", "did you mean 'alerting'?"),
        (
            "EX-16: {verdict: contradicted, values: {/alerting/nextAssistantAfter: 21}}",
            "must be 20 or less, not 21 (EX-16)",
        ),
        ("EX-16: {verdict: contradicted, values: {/alerting/rolloverWaitTime: 9}}", "is not a documented attribute"),
        ("EX-16: {verdict: contradicted, values: {/alerting: {mode: Sequential}}}", "must not be an object"),
        (
            "EX-16: {verdict: contradicted, values: {/filtering/mode: a, /filtering/mode/x: 1}}",
            "not lie within another",
        ),
        (
            "EX-16: {verdict: contradicted, values: {/filtering/mode/x: 1, /filtering/mode: a}}",
            "not lie within another",
        ),
    ],
)
def test_a_mistake_in_a_rule_is_told_with_its_line_and_what_was_meant(
    simulation: Simulation, tmp_path: Path, rule: str, problem: str
) -> None:
    file = written(tmp_path, f"{HEAD}  {rule}\n")
    found = problems(simulation, file)
    assert any(problem in each for each in found), found
    assert all(each.startswith(f"{file}:5: /rules/") for each in found)


@pytest.mark.parametrize(
    ("profile", "problem"),
    [
        ("", "must be a mapping with version, system, ledger and rules"),
        ("- 1\n", "must be a mapping with version, system, ledger and rules"),
        ("{}", "/system: is required"),
        (HEAD.replace("version: 1", "version: 2") + " {}", "1: /version: must be 1"),
        (HEAD.replace("lab-1", "''") + " {}", "2: /system/name: must have"),
        (HEAD.replace("2026-11-27", "27.11.2026") + " {}", "2: /system/observed: must be a date like 2026-11-27"),
        (HEAD.replace("2026-11-27", "2026-13-01") + " {}", "must be a date like 2026-11-27"),
        (HEAD.replace("name: lab-1", "name: lab-1, host: x") + " {}", "/system/host: is not a documented attribute"),
        (HEAD.replace(digest(LEDGER), "0" * 64) + " {}", "3: /ledger: is not the digest of this simulator's ledger"),
        (HEAD + "  CC-1: {verdict: confirmed}\n  CC-1: {verdict: confirmed}\n", "CC-1"),
        (HEAD + "  []\n", "/rules: must be an object"),
        (f"{HEAD}  CC-1: {{", "lab.yaml:"),
    ],
)
def test_a_mistake_outside_the_rules_is_told(
    simulation: Simulation, tmp_path: Path, profile: str, problem: str
) -> None:
    found = problems(simulation, written(tmp_path, profile))
    assert any(problem in each for each in found), found


def test_all_mistakes_are_told_at_once(simulation: Simulation, tmp_path: Path) -> None:
    rules = "  CC-99: {verdict: confirmed}\n  CC-9: {verdict: contradicted, choice: x}\n"
    text = HEAD.replace(digest(LEDGER), "x") + rules
    assert len(problems(simulation, written(tmp_path, text))) == 3


def test_a_profile_that_is_not_there_is_told(simulation: Simulation, tmp_path: Path) -> None:
    assert "cannot be read" in problems(simulation, tmp_path / "none.yaml")[0]
    with pytest.raises(BrokenDocument, match=r"/system: is required"):
        create_app(profile={})


def test_the_digest_is_of_ids_statements_and_choices() -> None:
    def of(**changes: Any) -> str:
        rule = {
            "id": "G-1",
            "statement": "s",
            "basis": ("assumed",),
            "source": "s",
            "refusals": ("assumed",),
            **changes,
        }
        return digest({"G-1": Rule(**rule)})

    assert of() == of(source="t") == of(basis=("vendor",), refusals=("vendor",))
    assert len({of(), of(id="G-2"), of(statement="t"), of(choices={"a": "b"}), of(choices={"a": "c"})}) == 5


def test_a_profile_may_change_every_default_that_answers_show() -> None:
    parts: Any = DEFAULT_SCHEMAS["EX-16"]["properties"]
    shown = {f"{part}.{name}" for part, each in parts.items() for name in each["properties"]}
    by_name = {name: name.lower().replace("_", "") for names in PARTS.values() for name in names}
    assert {each.lower() for each in shown} == set(by_name.values()) - {"assistants.assistantuserids"}
    assert Executive().assistant_ids == ()

"""The ledger: every rule of the simulated API's behaviour, with its basis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from simulator.document import read_document
from simulator.errors import BrokenDocument, Problem

LEDGER = Path(__file__).with_name("ledger.yaml")
BASES = ("documented", "vendor", "platform", "assumed")
OBSERVED = "observed"
"""The basis of a rule that a profile confirms or changes (S-14). The ledger itself never has it."""
KEYS = ["id", "statement", "basis", "source"]
OPTIONAL_KEYS = ["refusals", "choices"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a real system does about a rule, as a profile has it (S-14).

    `verdict` is `confirmed` or `contradicted`. If the system does otherwise, `choice` names the choice that it makes,
    and `status` is that of its refusals. `text` says everything in words. Unless `is_followed` is set, the simulator
    does what the rule says.
    """

    system: str
    date: str
    verdict: str
    choice: str | None
    status: int | None
    text: str
    is_followed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: its id, its statement, the kinds of knowledge it rests on, and the sources of this knowledge.

    `refusals` is the part of `basis` that refusals by the rule rest on. `choices` are other statements, by name, that
    the simulator can follow instead of an assumed part. `observed` is what the server's profile says about the rule.
    """

    id: str
    statement: str
    basis: tuple[str, ...]
    source: str
    refusals: tuple[str, ...]
    choices: Mapping[str, str] = field(default_factory=dict)
    observed: Observation | None = None

    def as_observed(self, observed: Observation) -> Rule:
        """Return the rule with an observation. If it is followed, the rule rests on it and no longer on assumptions."""
        if not observed.is_followed:
            return replace(self, observed=observed)
        basis, refusals = _without_assumed(self.basis), _without_assumed(self.refusals)
        return replace(self, observed=observed, basis=basis, refusals=refusals)


def _without_assumed(basis: tuple[str, ...]) -> tuple[str, ...]:
    return (*(each for each in basis if each != "assumed"), OBSERVED)


def load_ledger(path: Path = LEDGER) -> Mapping[str, Rule]:
    """Return the rules by id, in the ledger's order. Raises `BrokenDocument` with all mistakes."""
    document = read_document(path)
    entries = document.data if isinstance(document.data, list) else []
    problems: list[Problem] = list(document.problems)
    if not entries:
        problems.append(document.problem("", "must be a list of rules"))
    rules: dict[str, Rule] = {}
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict) or list(entry) != [*KEYS, *(key for key in OPTIONAL_KEYS if key in entry)]:
            expected = "must have id, statement, basis, source and perhaps refusals and choices, in this order"
            problems.append(document.problem(f"/{i}", expected))
            continue
        if entry["id"] in rules:
            problems.append(document.problem(f"/{i}/id", f"the rule {entry['id']} stands here twice"))
        if not isinstance(entry["basis"], list) or not entry["basis"] or set(entry["basis"]) - set(BASES):
            problems.append(document.problem(f"/{i}/basis", f"must be a list of {', '.join(BASES)}"))
            continue
        refusals = entry.get("refusals", entry["basis"])
        if not isinstance(refusals, list) or not refusals or set(refusals) - set(entry["basis"]):
            problems.append(document.problem(f"/{i}/refusals", "must be a list of what stands in basis"))
            continue
        choices = entry.get("choices", {})
        if not isinstance(choices, Mapping) or not all(text and isinstance(text, str) for text in choices.values()):
            problems.append(document.problem(f"/{i}/choices", "must be a mapping of names to sentences"))
            continue
        if choices and "assumed" not in entry["basis"]:
            problems.append(document.problem(f"/{i}/choices", "is only for a rule with an assumed part"))
        rules[entry["id"]] = Rule(**{**entry, "basis": tuple(entry["basis"]), "refusals": tuple(refusals)})
    if problems:
        raise BrokenDocument(problems)
    return rules

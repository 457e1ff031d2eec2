"""The ledger: every rule of the simulated API's behaviour, with its basis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from simulator.document import read_document
from simulator.errors import BrokenDocument, Problem

LEDGER = Path(__file__).with_name("ledger.yaml")
BASES = ("documented", "vendor", "platform", "assumed")
KEYS = ["id", "statement", "basis", "source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: its id, its statement, the kinds of knowledge it rests on, and the sources of this knowledge.

    `refusals` is the part of `basis` that refusals by the rule rest on.
    """

    id: str
    statement: str
    basis: tuple[str, ...]
    source: str
    refusals: tuple[str, ...]


def load_ledger(path: Path = LEDGER) -> Mapping[str, Rule]:
    """Return the rules by id, in the ledger's order. Raises `BrokenDocument` with all mistakes."""
    document = read_document(path)
    entries = document.data if isinstance(document.data, list) else []
    problems: list[Problem] = list(document.problems)
    if not entries:
        problems.append(document.problem("", "must be a list of rules"))
    rules: dict[str, Rule] = {}
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict) or list(entry) not in (KEYS, [*KEYS, "refusals"]):
            expected = "must have id, statement, basis, source and perhaps refusals, in this order"
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
        rules[entry["id"]] = Rule(**{**entry, "basis": tuple(entry["basis"]), "refusals": tuple(refusals)})
    if problems:
        raise BrokenDocument(problems)
    return rules

"""Write the lists of docs/fidelity.md, which come from the ledger: `python -m tools.contract_checks.fidelity`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from simulator.contract.ledger import Rule, load_ledger
from tools.contract_checks.check import ROOT

PAGE = ROOT / "docs" / "fidelity.md"
RULES = re.compile(r"(?<=<!-- rules -->\n).*(?=<!-- end -->)", re.DOTALL)


def with_rules(page: str, rules: Iterable[Rule]) -> str:
    """Returns the page with the lists of these rules in it."""
    return RULES.sub(lambda _: "\n".join(lists(list(rules))) + "\n", page)


def lists(rules: list[Rule]) -> Iterator[str]:
    """Yields the lines of the lists: rules that are known, partly assumed and assumed, and the choices of profiles."""
    known = [rule for rule in rules if "assumed" not in rule.basis]
    assumed = [rule for rule in rules if rule.basis == ("assumed",)]
    partly = [rule for rule in rules if rule not in known and rule not in assumed]
    yield f"\n## Known ({len(known)} rules)\n"
    yield from _table(["Rule", "Basis", "What the simulator does"], [[r.id, _known(r), r.statement] for r in known])
    yield f"\n## Partly assumed ({len(partly)} rules)\n"
    heads = ["Rule", "Basis", "What the simulator does", "What is assumed", "Refusals rest on"]
    rows = [[r.id, _known(r), r.statement, assumption(r), ", ".join(r.refusals)] for r in partly]
    yield from _table(heads, rows)
    yield f"\n## Assumed ({len(assumed)} rules)\n"
    yield "Rules with ids that begin with S are about the simulator's own interface. The real API does not have it.\n"
    yield from _table(["Rule", "What the simulator does", "Why"], [[r.id, r.statement, assumption(r)] for r in assumed])
    choices = [[f"{rule.id} `{name}`", text] for rule in rules for name, text in rule.choices.items()]
    yield "\n## Choices of a profile\n"
    yield from _table(["Rule and choice", "What the simulator does then"], choices)


def assumption(rule: Rule) -> str:
    """Returns what a rule's source says about its assumed part."""
    return rule.source.partition("assumed: ")[2]


def _known(rule: Rule) -> str:
    return ", ".join(basis for basis in rule.basis if basis != "assumed")


def _table(heads: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for row in rows:
        yield f"| {' | '.join(cell.strip().replace('|', '&#124;').replace('<', '&lt;') for cell in row)} |"


if __name__ == "__main__":
    PAGE.write_text(with_rules(PAGE.read_text(encoding="utf-8"), load_ledger().values()), encoding="utf-8")

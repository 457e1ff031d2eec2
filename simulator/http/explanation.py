"""Explains to the reader of the journal why a call was refused (S-7)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import takewhile

from simulator.contract.contract import Contract
from simulator.contract.ledger import OBSERVED, Rule
from simulator.contract.operation import Notes, Operation
from simulator.errors import LONGEST_ASKED, MOST_FAULTS, Fault, Refusal, UnknownPath
from simulator.http.errors import KINDS
from simulator.state.faults import InjectedFault
from simulator.state.redaction import without_secrets

MOST_EXPLAINED = 10


class Explanations:
    """Explains refusals with the rules of the ledger."""

    def __init__(self, contract: Contract, ledger: Mapping[str, Rule]) -> None:
        self.contract = contract
        self.ledger = ledger
        positions = {rule: position for position, rule in enumerate(ledger)}

        @lru_cache(maxsize=1_000)
        def still_assumed(rules: tuple[str, ...]) -> tuple[str, ...]:
            not_observed = (rule for rule in rules if OBSERVED not in ledger[rule].basis)
            return tuple(sorted(not_observed, key=positions.__getitem__))

        self._still_assumed = still_assumed

    def refusal(self, operation: Operation | None, path: str, refusal: Refusal) -> str:
        """Return what was wrong, where, what would have been right, and what the rule rests on."""
        kind = KINDS[type(refusal)]
        who = operation.operation_id if operation else "The call"
        rules = dict.fromkeys(fault.rule for fault in refusal.faults[:MOST_EXPLAINED])
        observed = self.ledger[refusal.faults[0].rule].observed
        status = observed.status if observed and observed.status else kind.status
        lines = [f"{who} was refused with {status}, {kind.message}.", self.reasons(path, refusal)]
        return " ".join([*lines, *map(self._rule_line, rules)])

    def reasons(self, path: str, refusal: Refusal) -> str:
        """Return what was wrong, where, and what would have been right."""
        lines = [_fault_line(fault) for fault in refusal.faults[:MOST_EXPLAINED]]
        if len(refusal.faults) > MOST_FAULTS:
            lines.append(f"There are more than {MOST_FAULTS:,} faults.")
        elif len(refusal.faults) > MOST_EXPLAINED:
            lines.append(f"There are {len(refusal.faults) - MOST_EXPLAINED} more faults.")
        if isinstance(refusal, UnknownPath):
            lines.append(self._nearest_operations(path))
        return " ".join(lines)

    def assumed(self, notes: Notes, refusal: Refusal | None) -> tuple[str, ...]:
        """Return the rules whose assumed part changed the answer, in the order of the ledger (S-9).

        What the profile has from observation is not assumed (S-14).
        """
        if not (notes.ignored or refusal):
            return self._still_assumed(tuple(notes.assumed))
        rules = {*notes.assumed, *(rule for rule in notes.ignored.values() if rule and self._only_assumed(rule))}
        for fault in refusal.faults if refusal is not None else ():
            if "assumed" in self.ledger[fault.rule].refusals if fault.assumed is None else fault.assumed:
                rules.add(fault.rule)
        return self._still_assumed(tuple(rules))

    def _only_assumed(self, rule: str) -> bool:
        return self.ledger[rule].basis == ("assumed",)

    def injected(self, fault: InjectedFault) -> str:
        """Return what an injected fault did."""
        if fault.abort == "close":
            return f"The injected fault {fault.id} closed the connection; nothing was done. {self._rule_line('S-6')}"
        if fault.status is None and fault.abort is None:
            done = f"delayed the call by {fault.delay_ms} ms"
        elif fault.status is None:
            done = "broke the operation's own answer off half way"
        elif fault.abort == "truncate":
            done = f"answered {fault.status} in the place of the operation and broke the answer off half way"
        else:
            done = f"answered {fault.status} in the place of the operation"
        return f"The injected fault {fault.id} {done}. {self._rule_line('S-6')}"

    def warning(self, warning: str) -> str:
        """Return how a page may lose, or has lost, its session, and the rule."""
        return f"{warning} {self._rule_line('A-8')}"

    def _rule_line(self, rule_id: str) -> str:
        rule = self.ledger[rule_id]
        observed = f" {rule.observed.text}" if rule.observed else ""
        return f"Rule {rule.id} ({_basis(rule.basis)}): {rule.statement}{observed}"

    def _nearest_operations(self, path: str) -> str:
        segments = path[:LONGEST_ASKED].split("/")
        base = _shared_beginning([template.split("/") for template in self.contract.paths])
        tries = [segments] if segments[: len(base)] == base else [segments, [*base, *filter(None, segments), ""]]
        asked, template = max(
            ((each, template) for each in tries for template in self.contract.paths),
            key=lambda pair: _likeness(pair[0], pair[1]),
        )
        calls = ", ".join(f"{method} ({each.operation_id})" for method, each in self.contract.paths[template].items())
        nearest = without_secrets("/".join(_filled(template, asked)))
        return f"The nearest path that there is: {nearest} with {calls}."


def _fault_line(fault: Fault) -> str:
    place = f"At {fault.pointer}: " if fault.pointer else ""
    nearest = fault.nearest
    hint = f" Did you mean {nearest!r}?" if nearest is not None else ""
    reason = fault.reason if place else fault.reason[:1].upper() + fault.reason[1:]
    # Redacted separately: together, place and reason would look like an attribute and its value.
    text = f"{without_secrets(place)}{without_secrets(reason.removesuffix('.'))}"
    return f"{text}{'' if text.endswith('?') else '.'}{hint}"


def _basis(basis: Collection[str]) -> str:
    if "assumed" not in basis:
        return ", ".join(basis)
    known = [each for each in basis if each != "assumed"]
    return f"{', '.join(known)}, in part assumed by the simulator" if known else "assumed by the simulator"


def _shared_beginning(lists: list[list[str]]) -> list[str]:
    return [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, zip(*lists, strict=False))]


def _likeness(asked: list[str], template: str) -> tuple[int, float]:
    """Return how similar the requested path is to the template: by whole segments, then by letters."""
    filled = _filled(template, asked)
    blocks = SequenceMatcher(None, filled, asked, autojunk=False).get_matching_blocks()
    # From 200 letters on, this leaves out frequent letters. They would take very long and tell little.
    letters = SequenceMatcher(None, "/".join(filled), "/".join(asked)).ratio()
    return sum(block.size for block in blocks), letters


def _filled(template: str, asked: list[str]) -> list[str]:
    """Return the template's segments, with the values of a requested path of equal length as parameters."""
    parts = template.split("/")
    if len(parts) != len(asked):
        return parts
    return [one if part.startswith("{") and one else part for part, one in zip(parts, asked, strict=True)]

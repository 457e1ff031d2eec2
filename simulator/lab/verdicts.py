"""From the outcomes of probes to a verdict on each rule, and to what a profile says about it.

A rule is blamed for a difference at a place that one of its probes decides. Where the simulator could behave in another
way, the probes are played again to a twin that does so. If this twin answers as the laboratory did, the laboratory
behaves in this way, and all differences that come from it are explained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from operator import itemgetter
from typing import Any

from simulator.app import standard_simulation
from simulator.contract.ledger import Rule
from simulator.errors import BrokenDocument
from simulator.lab.compare import ERRORS, STATUS, differences, general, last_name, steady
from simulator.lab.conform import Compared, Outcome, Verdict, judged
from simulator.lab.exchange import LabAnswer, LabRequest
from simulator.lab.probes import Probe
from simulator.lab.twin import Twin
from simulator.lab.vocabulary import published_values

Correction = Mapping[str, Any]
"""What a profile says of a rule beside the verdict: `choice`, `status` or `values`."""
Seen = tuple[str, LabRequest, LabAnswer]
"""A request of the crawl, with the id of its operation and the answer."""
MakeTwin = Callable[[Mapping[str, Correction]], Twin]
"""Returns a twin that follows these corrections, by rule. Raises `BrokenDocument` if the simulator cannot."""
_MISSING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleVerdict:
    """The verdict on a rule.

    `correction` is what the simulator can do to behave as the laboratory. It is empty if the rule is not contradicted
    or cannot be followed. `reasons` say, for each part of the rule that was not decided, why.
    """

    rule: str
    verdict: Verdict
    correction: Correction = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """The verdicts on all rules, and the differences that no rule explains: an operation's id and a place for each."""

    rules: Mapping[str, RuleVerdict]
    others: tuple[tuple[str, str], ...]

    def of(self, verdict: Verdict) -> list[RuleVerdict]:
        """Return the rules with this verdict."""
        return [each for each in self.rules.values() if each.verdict == verdict]


def verdicts_of(
    ledger: Mapping[str, Rule],
    outcomes: Sequence[Outcome],
    without: Mapping[str, str],
    volatile: set[str],
    make_twin: MakeTwin,
    seen: Sequence[Seen] = (),
) -> Verdicts:
    """Return the verdict on each rule of the ledger.

    `without` says why a rule has no probe. `seen` is what the twin was made of.
    """
    corrections = _corrections(ledger, outcomes, volatile, make_twin)
    twin = make_twin(corrections)
    explained = _played_again(outcomes, volatile, twin) if corrections else list(outcomes)
    rules = {}
    for rule in ledger:
        if rule in without:
            rules[rule] = RuleVerdict(rule=rule, verdict="not decidable", reasons={"": without[rule]})
        elif rule in corrections:
            own = tuple(each for each in outcomes if each.probe.rule == rule)
            rules[rule] = RuleVerdict(rule=rule, verdict="contradicted", correction=corrections[rule], outcomes=own)
        else:
            rules[rule] = _verdict(rule, [each for each in explained if each.probe.rule == rule])
    return Verdicts(rules=rules, others=tuple(dict.fromkeys(_others(explained, seen, volatile, twin))))


def _verdict(rule: str, outcomes: Sequence[Outcome]) -> RuleVerdict:
    """Return the verdict on a rule: confirmed if each of its parts is, contradicted if one is."""
    parts: dict[str, list[Outcome]] = {}
    for each in outcomes:
        parts.setdefault(each.probe.part, []).append(each)
    verdicts = {part: {each.verdict for each in found} for part, found in parts.items()}
    reasons = {
        part: "; ".join(dict.fromkeys(each.reason for each in parts[part] if each.reason))
        for part, found in verdicts.items()
        if found == {"not decidable"}
    }
    verdict: Verdict = "not decidable" if reasons else "confirmed"
    if any("contradicted" in found for found in verdicts.values()):
        verdict = "contradicted"
    return RuleVerdict(rule=rule, verdict=verdict, reasons=reasons, outcomes=tuple(outcomes))


def _corrections(
    ledger: Mapping[str, Rule], outcomes: Sequence[Outcome], volatile: set[str], make_twin: MakeTwin
) -> dict[str, Correction]:
    """Return the corrections that explain differences, by rule. The one that explains the most comes first.

    A correction explains all differences of its own rule, and leads to no new ones.
    """
    found: dict[str, Correction] = {}
    left = _contradicted(outcomes)
    while left:
        known = len(found)
        # First a few requests for each candidate, because there may be many; all requests only for the good ones.
        good: list[tuple[int, str, Correction]] = []
        for rule in dict.fromkeys(each.probe.rule for each in left if each.probe.rule not in found):
            own = [each for each in left if each.probe.rule == rule]
            for candidate in _candidates(ledger[rule], own):
                with suppress(BrokenDocument):
                    twin = make_twin({**found, rule: candidate})
                    if not _contradicted(_played_again(own, volatile, twin)):
                        then = _contradicted(_played_again(left, volatile, twin))
                        good.append((len(then), rule, candidate))
        for _, rule, candidate in sorted(good, key=itemgetter(0)):
            if rule not in found and any(each.probe.rule == rule for each in left):
                twin = make_twin({**found, rule: candidate})
                then_left = _contradicted(_played_again(outcomes, volatile, twin))
                if len(then_left) < len(left) and not any(each.probe.rule == rule for each in then_left):
                    found[rule], left = candidate, then_left
        if len(found) == known:
            break
    return found


def _contradicted(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [each for each in outcomes if each.verdict == "contradicted"]


def _played_again(outcomes: Sequence[Outcome], volatile: set[str], twin: Twin) -> list[Outcome]:
    """Return the outcomes that the same requests have with the answers of another twin."""
    return [_again(each, volatile, twin) if each.compared else each for each in outcomes]


def _again(outcome: Outcome, volatile: set[str], twin: Twin) -> Outcome:
    """Return the outcome of the same requests with the answers of another twin."""
    twin.restore()
    compared = []
    for each in outcome.compared:
        answer = twin.ask(each.request)
        places = tuple(steady(differences(each.lab, answer), volatile))
        compared.append(replace(each, twin=answer, places=places))
    again = judged(outcome.probe, compared, volatile)
    if again.verdict == "confirmed" and len(compared) < len(outcome.probe.steps):
        return replace(again, verdict="not decidable", reason="an earlier request was answered in another way")
    return again


def _candidates(rule: Rule, outcomes: Sequence[Outcome]) -> Iterator[Correction]:
    """Yield what a profile could say about a contradicted rule."""
    for choice in rule.choices:
        yield {"choice": choice}
    deciding = [each for outcome in outcomes for each in outcome.compared if each.decided]
    statuses = {each.lab.status for each in deciding if _is_refused(each)}
    if len(statuses) == 1 and all(map(_is_refused, deciding)):
        yield {"status": statuses.pop()}
    values = _values(outcomes)
    if values:
        yield {"values": values}


def _is_refused(each: Compared) -> bool:
    return min(each.lab.status, each.twin.status) >= HTTPStatus.BAD_REQUEST and STATUS in each.places


def _values(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the values that the laboratory has for defaults, by their place in a profile.

    It is empty if one is a text of the system's own, because a profile holds none.
    """
    published = published_values(standard_simulation().contract.document)
    values: dict[str, Any] = {}
    for outcome in outcomes:
        for each in outcome.compared:
            for place in each.decided if outcome.probe.values else ():
                own = _place_in_profile(outcome.probe, place)
                value = _value_at(each.lab.content(), place)
                is_own = isinstance(value, str) and value not in published.get(place.rpartition("/")[2], ())
                if own is None or value is _MISSING or is_own or (isinstance(value, list) and value):
                    return {}
                values[own] = value
    return values


def _place_in_profile(probe: Probe, place: str) -> str | None:
    """Return where a profile has the value of a place, or `None` if it has none."""
    for start, own in probe.values.items():
        if place.startswith(f"{start}/"):
            return own + place.removeprefix(start)
    return None


def _value_at(content: Any, place: str) -> Any:
    for step in place.split("/")[1:]:
        if not isinstance(content, dict) or step not in content:
            return _MISSING
        content = content[step]
    return content


def _others(
    outcomes: Sequence[Outcome], seen: Sequence[Seen], volatile: set[str], twin: Twin
) -> Iterator[tuple[str, str]]:
    """Yield the differences at places that no contradicted probe decides, also in what the twin was made of."""
    blamed = {last_name(place) for each in outcomes for compared in each.compared for place in compared.decided}
    found = [(each.step.operation, each.others) for outcome in outcomes for each in outcome.compared]
    twin.restore()
    for operation_id, request, answer in seen:
        found.append((operation_id, steady(differences(answer, twin.ask(request)), volatile)))
    for operation_id, places in found:
        for place in places:
            if place not in (STATUS, ERRORS) and last_name(place) not in blamed:
                yield operation_id, general(place)

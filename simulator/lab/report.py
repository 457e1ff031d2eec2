"""What is written about a run: report, evidence and profile. They hold no text of the system's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from http import HTTPStatus
from typing import Any

import orjson

from simulator.contract.ledger import Rule
from simulator.contract.profile import VERSION, digest
from simulator.lab.compare import ERRORS, ORDER, STATUS, has_error_shape
from simulator.lab.conform import Compared, Outcome
from simulator.lab.exchange import LabAnswer, LabRequest
from simulator.lab.importing import Leak
from simulator.lab.pseudonyms import Pseudonyms
from simulator.lab.run import Run
from simulator.lab.verdicts import RuleVerdict, Verdicts

Mask = Callable[[Any], Any]
WITH_BODIES = ("request", "laboratory", "simulator")


def evidence_of(run: Run) -> tuple[str, Mapping[int, str]]:
    """Return each request with both answers as JSON Lines, and the names of the exchanges by the identity of each.

    All texts of the system have pseudonyms. Raises `Leak` if one has not.
    """
    pseudonyms = Pseudonyms(run.contract)
    for value in run.seen:
        pseudonyms.learn(value)
    for secret in run.client.secrets:
        pseudonyms.text(secret)
    lines: list[dict[str, Any]] = []
    names: dict[int, str] = {}
    for outcome in run.outcomes:
        for each in outcome.compared:
            names[id(each)] = f"e{len(lines) + 1}"
            line = {
                "id": names[id(each)],
                "rule": outcome.probe.rule,
                "part": outcome.probe.part,
                "decides": list(each.step.decides),
                "request": _request(run, each.request, pseudonyms.mask),
                "laboratory": _answer(each.lab, pseudonyms.mask),
                "simulator": _answer(each.twin, pseudonyms.mask),
                "differs": list(each.places),
            }
            lines.append(line)
    # All other texts are our own: rules, paths of the contract, statuses, places.
    leaks = pseudonyms.leaks_in([line[each].get("body") for line in lines for each in WITH_BODIES])
    if leaks:
        raise Leak(leaks)
    return "".join(orjson.dumps(line).decode() + "\n" for line in lines), names


def report_of(run: Run, verdicts: Verdicts, names: Mapping[int, str], system: str, day: date) -> dict[str, Any]:
    """Return the report as JSON types. Places and names of rules are in it, and no values."""
    ledger = run.simulation.ledger
    return {
        "system": system,
        "observed": day.isoformat(),
        "simulator": run.client.is_simulator,
        "permission": run.plan.permission.name.lower(),
        "requests": run.client.count,
        "trustworthy": not run.problems,
        "problems": run.problems,
        "rules": [_rule(ledger[rule], verdict, names) for rule, verdict in verdicts.rules.items()],
        "others": [{"operationId": operation, "place": place} for operation, place in verdicts.others],
        "volatile": sorted(run.volatile),
        "notes": run.notes,
    }


def profile_of(run: Run, verdicts: Verdicts, system: str, day: date) -> dict[str, Any]:
    """Return the profile as JSON types: what was confirmed, what was contradicted, and what the simulator can do."""
    rules = {
        rule: {"verdict": each.verdict, **each.correction}
        for rule, each in verdicts.rules.items()
        if each.verdict != "not decidable"
    }
    named = {"name": system, "observed": day.isoformat()}
    return {
        "version": VERSION,
        "system": {**named, "simulator": True} if run.client.is_simulator else named,
        "ledger": digest(run.simulation.ledger),
        "rules": rules,
    }


def _rule(rule: Rule, verdict: RuleVerdict, names: Mapping[int, str]) -> dict[str, Any]:
    return {
        "rule": rule.id,
        "statement": rule.statement,
        "verdict": verdict.verdict,
        "follows": _correction(verdict),
        "parts": list(_parts(verdict, names)),
    }


def _correction(verdict: RuleVerdict) -> str:
    return ", ".join(f"{name} {_shown(value)}" for name, value in verdict.correction.items())


def _shown(value: Any) -> str:
    """Return a correction as text. Its values are numbers, booleans and words of the contract."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _parts(verdict: RuleVerdict, names: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    parts: dict[str, list[Outcome]] = {}
    for outcome in verdict.outcomes:
        parts.setdefault(outcome.probe.part, []).append(outcome)
    for part, outcomes in parts.items():
        found = [each.verdict for each in outcomes]
        state = next((each for each in ("contradicted", "confirmed") if each in found), "not decidable")
        compared = [each for outcome in outcomes for each in outcome.compared]
        yield {
            "part": part,
            "verdict": state,
            "reason": verdict.reasons.get(part, ""),
            "places": list(dict.fromkeys(_shown_place(each, place) for each in compared for place in each.decided)),
            "evidence": [names[id(each)] for each in compared if _counts(each, state) and id(each) in names],
        }
    if not parts:
        yield {"part": "", "verdict": "not decidable", "reason": verdict.reasons[""], "places": [], "evidence": []}


def _shown_place(each: Compared, place: str) -> str:
    """Return a place, and how the answers differ there: by what is there, never by a value."""
    if place == STATUS:
        return f"status {each.lab.status} instead of {each.twin.status}"
    if place == ERRORS:
        return "another shape of errors"
    if place.startswith(ORDER):
        return f"{place.removeprefix(ORDER)} in another order"
    one, other = (_kind_at(answer, place) for answer in (each.lab, each.twin))
    return f"{place}: {one} instead of {other}" if one != other else f"{place}: another {one}"


def _kind_at(answer: LabAnswer, place: str) -> str:
    """Return what stands at a place of an answer, in a word."""
    content = answer.content()
    for step in place.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        try:
            content = content[int(key)] if isinstance(content, list) else content[key]
        except (LookupError, ValueError, TypeError):
            return "nothing"
    if content == []:
        return "an empty list"
    kinds = {bool: "boolean", int: "number", float: "number", str: "text", list: "list", dict: "object"}
    return kinds.get(type(content), "null")


def _counts(each: Compared, verdict: str) -> bool:
    return bool(each.decided) if verdict == "contradicted" else bool(each.step.decides)


def _request(run: Run, request: LabRequest, mask: Mask) -> dict[str, Any]:
    path = run.client.shown(request.path)
    if not request.path.endswith("/"):
        path = path.removesuffix("/")
    shown: dict[str, Any] = {"method": request.method, "path": path, "caller": request.caller}
    if request.headers:
        shown["headers"] = dict(request.headers)
    query = request.target.partition("?")[2]
    if query:
        shown["query"] = query
    if request.body is not None:
        content = _json(request.body)
        shown["body"] = None if content is None else mask(content)
        if orjson.dumps(content) != request.body:
            # These bytes are a probe's own: they break a rule about JSON.
            shown["bytes"] = request.body.decode()
    return shown


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError:
        return None


def _answer(answer: LabAnswer, mask: Mask) -> dict[str, Any]:
    """Return an answer with pseudonyms, or the `length` of a body that is not as documented.

    Of an error, only the codes are shown: its sentences may name anything.
    """
    shown: dict[str, Any] = {"status": answer.status}
    if not answer.body:
        return shown
    is_error = answer.status >= HTTPStatus.BAD_REQUEST
    if is_error and has_error_shape(answer):
        return {**shown, "codes": [error["code"] for error in answer.content()["errors"]]}
    content = None if is_error else _json(answer.body)
    return {**shown, "length": len(answer.body)} if content is None else {**shown, "body": mask(content)}

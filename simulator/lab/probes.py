"""Reads the probes, and makes the requests of a probe for one laboratory."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson

from simulator.contract.contract import Contract
from simulator.contract.operation import JSON
from simulator.document import read_document
from simulator.errors import BrokenDocument, Problem
from simulator.lab.exchange import Caller, LabRequest, path_of
from simulator.lab.guard import Permission
from simulator.lab.words import MISSING, Words

PROBES = Path(__file__).with_name("probes.yaml")
NOBODY = "nobody"
CALLERS = {"second": "  (as the second account)", "wrong": "  (with a token that does not exist)"}
"""How the outline of a run tells who calls, if it is not the account of the run."""
_WORD = re.compile(r"\{(\w+)\}")


class Unavailable(Exception):
    """What was seen of the laboratory has nothing for a probe. The message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request of a probe, with words in braces. `probes.yaml` explains the attributes."""

    operation: str = ""
    method: str = ""
    path: str = ""
    slash: bool = True
    group: str = ""
    user: str = ""
    user_id: str = ""
    name: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    raw: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    caller: Caller | Literal["token"] = "first"
    decides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Requests that decide a part of a rule. `probes.yaml` explains the attributes."""

    rule: str
    part: str
    permission: Permission
    steps: tuple[Step, ...]
    named: str
    values: Mapping[str, str]
    unsure: str


@dataclass(frozen=True, slots=True)
class Probes:
    """All probes in the order of the ledger, and why there is none for the other rules."""

    probes: tuple[Probe, ...]
    without: Mapping[str, str]


def load_probes(ledger: Collection[str], path: Path = PROBES) -> Probes:
    """Return the probes of a file. Raises `BrokenDocument` if a rule has no probe and no reason, or both."""
    document = read_document(path)
    data: Any = document.data
    problems: list[Problem] = list(document.problems)
    probes = []
    for i, entry in enumerate(data["probes"]):
        try:
            requests, permission = entry.pop("requests"), Permission[entry.pop("permission").upper()]
            steps = tuple(Step(**{**each, "decides": tuple(each.get("decides", ()))}) for each in requests)
            entry = {"named": entry["rule"], "values": {}, "unsure": "", **entry}
            probes.append(Probe(steps=steps, permission=permission, **entry))
        except (KeyError, TypeError, AttributeError) as error:
            problems.append(document.problem(f"/probes/{i}", f"is no probe: {error}"))
    probed, without = {each.rule for each in probes}, data["without"]
    for rule in sorted({*probed, *without, *ledger}):
        if rule not in ledger:
            problems.append(document.problem("", f"the ledger has no rule {rule}"))
        elif (rule in probed) == (rule in without):
            problems.append(document.problem("", f"{rule} needs either a probe or a reason why there is none"))
    if problems:
        raise BrokenDocument(problems)
    order = {rule: position for position, rule in enumerate(ledger)}
    return Probes(tuple(sorted(probes, key=lambda each: order[each.rule])), without)


def lab_request(step: Step, contract: Contract, words: Words) -> LabRequest:
    """Return the request of a step. Raises `Unavailable` if the laboratory has nothing for one of its words."""
    caller: Caller
    if step.caller == "token":
        if not words.has_token:
            raise Unavailable("the run has no token")
        caller = "first"
    else:
        caller = step.caller
    if step.path:
        return LabRequest(method="GET", target=_filled(step.path, words), caller=caller)
    operation = contract.operations[step.operation]
    parameters = {"tenant_id": words.tenant}
    if step.user:
        parameters["group_id"], parameters["user_id"] = _owner(step.user, words)
    if step.group:
        parameters["group_id"] = _word(step.group, words)
    if step.user_id:
        parameters["user_id"] = _filled(step.user_id, words)
    if step.name:
        parameters[operation.path_parameters[-1]] = _filled(step.name, words)
    target = path_of(operation.path, parameters)
    target = target if step.slash else target.rstrip("/")
    if step.query:
        target += "?" + "&".join(f"{name}={value}" for name, value in step.query.items())
    body = None
    if step.raw is not None:
        body = step.raw.encode()
    elif step.body is not None:
        body = orjson.dumps(_filled(step.body, words))
    headers = {} if body is None else {"Content-Type": JSON}
    method = step.method or operation.method
    return LabRequest(method=method, target=target, body=body, headers={**headers, **step.headers}, caller=caller)


def outline(probe: Probe, contract: Contract) -> list[str]:
    """Return a line for each request of a probe, with words in braces for what only the laboratory can tell."""
    lines = []
    for step in probe.steps:
        path, method = step.path, "GET"
        if not path:
            operation = contract.operations[step.operation]
            named = {
                "{group_id}": f"{{group of {step.user}}}" if step.user and not step.group else f"{{{step.group}}}",
                "{user_id}": step.user_id or f"{{{step.user}}}",
                "{call_capacity_name}": step.name,
                "{instance_name}": step.name,
            }
            path, method = operation.path, step.method or operation.method
            for parameter, value in named.items():
                path = path.replace(parameter, value)
            path = path if step.slash else path.rstrip("/")
        query = "&".join(f"{name}={value}" for name, value in step.query.items())
        body = step.raw if step.raw is not None else "" if step.body is None else orjson.dumps(step.body).decode()
        line = f"{probe.permission.name.lower():8}{probe.rule:7}{method} {path}{'?' + query if query else ''} {body}"
        lines.append(f"{line.rstrip()}{CALLERS.get(step.caller, '')}")
    return lines


def _filled(value: Any, words: Words) -> Any:
    """Return a value with all words in braces replaced."""
    if isinstance(value, str):
        return _WORD.sub(lambda found: _word(found[1], words), value)
    if isinstance(value, dict):
        return {name: _filled(each, words) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, words) for each in value]
    return value


def _word(name: str, words: Words) -> str:
    found = words.texts.get(name)
    if found is None:
        raise Unavailable(MISSING[name])
    return found


def _owner(name: str, words: Words) -> tuple[str, str]:
    found = words.users.get(name)
    if found is None:
        raise Unavailable(MISSING[name])
    return found

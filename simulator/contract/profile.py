"""Profiles: what was observed on a real system, rule by rule, and how the simulator follows it (S-14).

The module is long because each part of a profile is checked where it is read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.contract.compiler import SchemaCompiler
from simulator.contract.ledger import Observation, Rule
from simulator.contract.schemas import CompiledSchema
from simulator.document import Document, pointer_step
from simulator.errors import BrokenDocument, Fault

VERSION = 1
REFUSE = "refuse"
"""The choice to refuse what an assumption accepts. `Call.assume` makes it, so that no handler has to."""
_INTERFACE = "S-"
"""How the ids of rules about the simulator's own interface begin."""

_SHAPE: Mapping[str, Any] = {
    "type": "object",
    "x-rule": "S-14",
    "additionalProperties": False,
    "required": ["version", "system", "ledger", "rules"],
    "properties": {
        "version": {"type": "integer", "enum": [VERSION]},
        "system": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name", "observed"],
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 100},
                "observed": {
                    "type": "string",
                    "pattern": r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$",
                    "x-expected": "a date like 2026-11-27",
                },
                "simulator": {"type": "boolean"},
            },
        },
        "ledger": {"type": "string"},
        "rules": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["verdict"],
                "properties": {
                    "verdict": {"type": "string", "enum": ["confirmed", "contradicted"]},
                    "choice": {"type": "string"},
                    "status": {"type": "integer", "minimum": 400, "maximum": 499},
                    "values": {"type": "object", "x-checked-by-handler": True},
                },
            },
        },
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a server follows of a real system. The mappings are by rule.

    `system` is the system's name, `date` the day on which it was observed. If `is_simulator` is set, a simulator was
    observed, so the profile proves nothing. `choices` are the names of the choices to make, and `refused` is why a call
    is refused where the choice is `refuse`. `statuses` are those of refusals. `values` are defaults, as the schemas of
    the services read them.
    """

    system: str = ""
    date: str = ""
    is_simulator: bool = False
    observations: Mapping[str, Observation] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def confirmed(self) -> tuple[str, ...]:
        """The rules that the system follows too."""
        return tuple(rule for rule, each in self.observations.items() if each.verdict == "confirmed")

    @property
    def followed(self) -> tuple[str, ...]:
        """The contradicted rules in which the simulator does as the system does."""
        found = self.observations.items()
        return tuple(rule for rule, each in found if each.verdict == "contradicted" and each.is_followed)

    @property
    def not_followed(self) -> tuple[str, ...]:
        """The contradicted rules that the profile gives no choice, status or values for."""
        return tuple(rule for rule, each in self.observations.items() if not each.is_followed)

    def observed(self, ledger: Mapping[str, Rule]) -> Mapping[str, Rule]:
        """Return the ledger with the observations. Those of a simulator prove nothing, so they are left out."""
        if self.is_simulator:
            return ledger
        found = self.observations
        return {each.id: each.as_observed(found[each.id]) if each.id in found else each for each in ledger.values()}


NO_PROFILE = Profile()
"""The profile of a server that follows none."""


def digest(ledger: Mapping[str, Rule]) -> str:
    """Return the SHA-256 of ids, statements and choices. A profile is for the ledger with the digest in it."""
    said = [[rule.id, rule.statement, dict(rule.choices)] for rule in ledger.values()]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def read_profile(
    document: Document,
    ledger: Mapping[str, Rule],
    refusing: Collection[str] = (),
    schemas: Mapping[str, CompiledSchema] | None = None,
) -> Profile:
    """Return the profile of a document. Raises `BrokenDocument` with every mistake and its place.

    `refusing` are the rules that refuse requests; only their refusals can have another status. `schemas` are those of
    the defaults that a profile may change, by rule.
    """
    compiler = SchemaCompiler(Document("the schema of a profile", {"Profile": _SHAPE}), ledger)
    schema = compiler.object_schema("/Profile")
    compiler.finish()
    if not isinstance(document.data, dict):
        message = "must be a mapping with version, system, ledger and rules"
        raise BrokenDocument([*document.problems, document.problem("", message)])
    data, faults = schema.read_what_is_valid(document.data)
    reading = _Reading(ledger, refusing, schemas or {})
    faults += reading.ledger_faults(data.get("ledger"))
    faults += [fault for rule, found in data.get("rules", {}).items() for fault in reading.rule_faults(rule, found)]
    problems = [document.problem(each.pointer or "", each.with_hint().reason, each.rule) for each in faults]
    if document.problems or problems:
        raise BrokenDocument([*document.problems, *problems])
    return reading.profile(data)


class _Reading:
    """Reads one profile. `values` collects the defaults that it changes, by rule."""

    def __init__(
        self, ledger: Mapping[str, Rule], refusing: Collection[str], schemas: Mapping[str, CompiledSchema]
    ) -> None:
        self.ledger = ledger
        self.refusing = refusing
        self.schemas = schemas
        self.values: dict[str, Mapping[str, Any]] = {}

    def ledger_faults(self, found: str | None) -> Iterator[Fault]:
        if found is not None and found != digest(self.ledger):
            reason = (
                f"is not the digest of this simulator's ledger, {digest(self.ledger)}: the profile was written for "
                "other rules, so observe the system again with this version"
            )
            yield Fault("S-14", reason, "/ledger")

    def rule_faults(self, rule_id: str, found: Mapping[str, Any]) -> Iterator[Fault]:
        place = "/rules" + pointer_step(rule_id)
        rule = self.ledger.get(rule_id)
        if rule is None:
            yield Fault("S-14", "is no rule of the ledger", place, asked=rule_id, known=self.ledger)
            return
        if rule_id.startswith(_INTERFACE):
            yield Fault("S-14", "is a rule about the simulator's own interface, which no other system has", place)
            return
        if found.get("verdict") == "confirmed":
            for key in ("choice", "status", "values"):
                if key in found:
                    yield Fault("S-14", "is only for a rule that is contradicted", place + pointer_step(key))
            return
        choice = found.get("choice")
        if choice is not None and choice not in rule.choices:
            known = ", ".join(rule.choices) or "none"
            reason = f"is no choice of the rule {rule_id}; there are: {known}"
            yield Fault("S-14", reason, place + "/choice", asked=choice, known=rule.choices)
        if "status" in found and rule_id not in self.refusing and choice != REFUSE:
            yield Fault("S-14", f"is for the refusals of a rule, and {rule_id} refuses nothing", place + "/status")
        if "values" in found:
            yield from self.value_faults(rule_id, found["values"], place + "/values")

    def value_faults(self, rule_id: str, found: Mapping[str, Any], place: str) -> Iterator[Fault]:
        schema = self.schemas.get(rule_id)
        if schema is None:
            known = ", ".join(self.schemas) or "none"
            yield Fault("S-14", f"is only for rules about defaults ({known}), and {rule_id} is none", place)
            return
        if not found:
            yield Fault("S-14", "must have an entry", place)
        nested: dict[str, Any] = {}
        for pointer, value in found.items():
            if isinstance(value, dict):
                reason = "must not be an object; name each of its attributes"
                yield Fault("S-14", reason, place + pointer_step(pointer))
            elif not _put(nested, pointer, value):
                reason = "must be a JSON Pointer like /name/of/attribute, and not lie within another one"
                yield Fault("S-14", reason, place + pointer_step(pointer))
        self.values[rule_id], faults = schema.read_what_is_valid(nested)
        for fault in faults:
            # A fault may be within a value, or above it, as in a section that does not exist.
            inner = fault.pointer or ""
            written = next((each for each in found if f"{inner}/".startswith(f"{each}/")), "")
            above = next((each for each in found if each.startswith(f"{inner}/")), "")
            at = pointer_step(written) + inner.removeprefix(written) if written else pointer_step(above)
            asked = inner.rpartition("/")[2] if fault.known else None
            yield Fault(fault.rule, fault.reason, place + at, asked=asked, known=fault.known)

    def profile(self, data: Mapping[str, Any]) -> Profile:
        """Return the profile of data without faults."""
        system, rules = data["system"], data["rules"]
        is_simulator = system.get("simulator", False)
        who = f"{system['name']} (a simulator)" if is_simulator else system["name"]
        observations = {
            rule_id: Observation(
                system=system["name"],
                date=system["observed"],
                verdict=found["verdict"],
                choice=found.get("choice"),
                status=found.get("status"),
                text=self.text(f"{who} (observed {system['observed']})", rule_id, found),
                is_followed=found["verdict"] == "confirmed" or bool(found.keys() & {"choice", "status", "values"}),
            )
            for rule_id, found in rules.items()
        }
        choices = {rule_id: found["choice"] for rule_id, found in rules.items() if "choice" in found}
        return Profile(
            system=system["name"],
            date=system["observed"],
            is_simulator=is_simulator,
            observations=observations,
            choices=choices,
            refused={each: self.reason(system["name"], each) for each, choice in choices.items() if choice == REFUSE},
            statuses={rule_id: found["status"] for rule_id, found in rules.items() if "status" in found},
            values=self.values,
        )

    def reason(self, system: str, rule_id: str) -> str:
        """Return why a call is refused that the rule would accept."""
        said = self.ledger[rule_id].choices[REFUSE].removesuffix(".")
        return f"{said}; the simulator follows the profile of {system}"

    def text(self, who: str, rule_id: str, found: Mapping[str, Any]) -> str:
        """Return in words what the system does."""
        if found["verdict"] == "confirmed":
            return f"{who} does the same."
        told = []
        if "choice" in found:
            told.append(self.ledger[rule_id].choices[found["choice"]])
        if "status" in found:
            told.append(f"Refusals have the status {found['status']}.")
        if "values" in found:
            values = ", ".join(f"{pointer} is {json.dumps(value)}" for pointer, value in found["values"].items())
            told.append(f"By default, {values}.")
        return f"{who} does otherwise: {' '.join(told) or 'the simulator cannot follow it.'}"


def _put(document: dict[str, Any], pointer: str, value: Any) -> bool:
    """Put a value at a JSON Pointer of the document. Return whether the place is free."""
    if not pointer.startswith("/"):
        return False
    *above, last = (each.replace("~1", "/").replace("~0", "~") for each in pointer[1:].split("/"))
    for key in above:
        document = document.setdefault(key, {})
        if not isinstance(document, dict):
            return False
    if last in document:
        return False
    document[last] = value
    return True

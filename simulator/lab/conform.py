"""Sends a laboratory and its twin the same requests, and says which rules of the ledger are true there.

The module is long because asking, noting what may change, and judging share the state of one run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Literal

import orjson

from simulator.contract.contract import Contract
from simulator.lab.cleaning import clean, is_as_before, listing_path, put, restoring_body
from simulator.lab.client import LabClient, Untrustworthy
from simulator.lab.compare import ERRORS, STATUS, differences, hides, last_name, matches, steady
from simulator.lab.exchange import LabAnswer, LabRequest, path_of
from simulator.lab.guard import PARTS, Permission, item_path
from simulator.lab.ledger import Change, Creation
from simulator.lab.probes import NOBODY, Probe, Step, Unavailable, lab_request
from simulator.lab.twin import Twin
from simulator.lab.words import Words

ASKED_AGAIN = 2
"""How often a read is asked again before its difference counts: a change may take effect a little later."""

Verdict = Literal["confirmed", "contradicted", "not decidable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One request of a probe with both answers, and the places at which they differ."""

    step: Step
    request: LabRequest
    lab: LabAnswer
    twin: LabAnswer
    places: tuple[str, ...]

    @property
    def decided(self) -> list[str]:
        """The places that differ, among those that the probe decides."""
        return [place for place in self.places if any(matches(place, each) for each in self.step.decides)]

    @property
    def is_hidden(self) -> bool:
        """Whether what the probe decides is not in the answer at all."""
        return any(hides(place, each) for place in self.places for each in self.step.decides)

    @property
    def others(self) -> list[str]:
        """The places that differ and that the probe does not decide."""
        return [place for place in self.places if place not in self.decided]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a probe. `reason` says why it decides nothing."""

    probe: Probe
    verdict: Verdict
    reason: str = ""
    compared: tuple[Compared, ...] = ()


@dataclass(slots=True)
class Conformity:
    """Asks the probes, one after the other, and leaves the laboratory after each one as it was before.

    `volatile` are the names of attributes and lists that vary by themselves. They never count. `absent` are the
    statuses of what does not exist. `seen` is what the twin was made of. `outcomes` grows while the run goes on.
    """

    client: LabClient
    twin: Twin
    words: Words
    contract: Contract
    volatile: set[str]
    absent: frozenset[int]
    seen: Sequence[tuple[LabRequest, LabAnswer]] = ()
    originals: dict[str, Change] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)

    def read_originals(self, user: tuple[str, str] | None) -> None:
        """Read the settings of the scratch user, and the default of the scratch group, to put them back later."""
        for operation_id in PARTS if user is not None else ():
            operation = self.contract.operations[operation_id]
            parameters = {"tenant_id": self.words.tenant, "group_id": user[0], "user_id": user[1]} if user else {}
            path = path_of(operation.path, parameters)
            content = self._content_at(path)
            self.originals[path] = Change(path=path, body=restoring_body(operation, content), content=content)
        group = self.words.texts.get("scratch_group")
        if group is None:
            return
        path = path_of(
            self.contract.operations["listCallCapacities"].path, {"tenant_id": self.words.tenant, "group_id": group}
        )
        for capacity in self._content_at(path)["call_capacities"]:
            if capacity["isDefault"]:
                own = item_path(path, capacity["name"])
                content = self._content_at(own)
                self.originals[own] = Change(path=own, body={"isDefault": True}, content=content)
                self.client.scope = replace(self.client.scope, scratch_default=own)

    def rehearse(self) -> None:
        """Write what the run may change once as it is now. Raises `Untrustworthy` if it could not be put back later."""
        for change in self.originals.values():
            self._note_change(change)
            answer = self.client.ask(put(change.path, change.body))
            if answer.status >= HTTPStatus.BAD_REQUEST:
                call = f"PUT {self.client.shown(change.path)}"
                raise Untrustworthy(
                    f"{call} of what GET shows is answered with {answer.status}, so it could not be put back; name "
                    f"another {'group' if change.path == self.client.scope.scratch_default else 'user'}, or none"
                )
            self._clean()

    def inventory(self) -> dict[str, LabAnswer]:
        """Return what the run may change, as it is now, by path."""
        paths = [listing_path(each) for each in self.client.scope.collections]
        paths += [f"{each}available_users/" for each in self.client.scope.collections if each.endswith("capacities/")]
        paths += sorted(self.client.scope.parts)
        return {path: self.client.ask(LabRequest(method="GET", target=path)) for path in dict.fromkeys(paths)}

    def differing(self, before: Mapping[str, LabAnswer], after: Mapping[str, LabAnswer]) -> list[str]:
        """Return the paths of two inventories at which something is different."""
        return [path for path, answer in after.items() if self._steady(differences(before[path], answer))]

    def ask(self, probe: Probe) -> Outcome:
        """Return the result of a probe. Raises `Untrustworthy` if the run has to end."""
        if probe.permission > self.client.scope.permission:
            return Outcome(probe=probe, verdict="not decidable", reason=f"it needs {_switch(probe)}")
        try:
            requests = [lab_request(step, self.contract, self.words) for step in probe.steps]
        except Unavailable as missing:
            return Outcome(probe=probe, verdict="not decidable", reason=str(missing))
        if not self._is_free(requests):
            return Outcome(probe=probe, verdict="not decidable", reason=f"it needs {_switch(probe)}")
        if any(request.caller == "second" for request in requests) and "second" not in self.client.logins:
            return Outcome(probe=probe, verdict="not decidable", reason="it needs a second account")
        self.twin.restore()
        # The twin is asked first: if it does not answer by the rule, the request need not be sent.
        twins = [self.twin.ask(request) for request in requests]
        named = {rule for step, answer in zip(probe.steps, twins, strict=True) for rule in self._named(step, answer)}
        # Of the rules that were observed, answers name only those that refuse.
        is_refused = twins[-1].status >= HTTPStatus.BAD_REQUEST and bool(twins[-1].body)
        is_observed = "observed" in self.twin.ledger[probe.rule].basis and not is_refused
        if probe.named not in (NOBODY, *named) and not is_observed:
            return Outcome(probe=probe, verdict="not decidable", reason="the answer does not depend on the rule here")
        try:
            self._note_changes(requests)
            return judged(probe, self._compare(probe, requests, twins), self.volatile)
        except _Varies:
            return Outcome(probe=probe, verdict="not decidable", reason="the answer varies by itself")
        except _Changed:
            reason = "somebody else has changed something while the run went on"
            return Outcome(probe=probe, verdict="not decidable", reason=reason)
        finally:
            self._clean()

    def _is_free(self, requests: Sequence[LabRequest]) -> bool:
        """Return whether the run may write where the requests do."""
        scope = self.client.scope
        starts = (*scope.collections, *scope.parts)
        return all(request.method in ("GET", "HEAD") or request.path.startswith(starts) for request in requests)

    def _named(self, step: Step, answer: LabAnswer) -> set[str]:
        return (
            set()
            if step.path and answer.status < HTTPStatus.BAD_REQUEST
            else self.twin.named_rules(step.operation, answer)
        )

    def _compare(self, probe: Probe, requests: list[LabRequest], twins: list[LabAnswer]) -> list[Compared]:
        compared: list[Compared] = []
        for step, request, twin in zip(probe.steps, requests, twins, strict=True):
            self._write_down(request)
            is_refused = twin.status >= HTTPStatus.BAD_REQUEST
            lab = self.client.ask(request, is_refused=is_refused)
            for _ in range(ASKED_AGAIN if request.method == "GET" else 0):
                if not self._steady(differences(lab, twin)):
                    break
                before, lab = lab, self.client.ask(request, is_refused=is_refused)
                varying = differences(before, lab)
                if len(probe.steps) == 1 and varying:
                    # Nobody has changed anything meanwhile.
                    self.volatile.update(last_name(each) for each in varying if each not in (STATUS, ERRORS))
                    if STATUS in varying or ERRORS in varying:
                        raise _Varies
            if len(probe.steps) == 1 and self._has_changed(request, lab):
                raise _Changed
            places = tuple(self._steady(differences(lab, twin)))
            compared.append(Compared(step=step, request=request, lab=lab, twin=twin, places=places))
            if STATUS in places:
                break
        return compared

    def _has_changed(self, request: LabRequest, lab: LabAnswer) -> bool:
        """Return whether the same request had another answer when the twin was made. It may be of another kind."""
        before = next((answer for each, answer in self.seen if each == request), None)
        if before is None:
            return False
        failed = before.status >= HTTPStatus.BAD_REQUEST
        if failed or lab.status >= HTTPStatus.BAD_REQUEST:
            return failed != (lab.status >= HTTPStatus.BAD_REQUEST)
        return bool(self._steady(differences(before, lab)))

    def _steady(self, places: Iterable[str]) -> list[str]:
        """Return the places that do not vary by themselves."""
        return steady(places, self.volatile)

    def _write_down(self, request: LabRequest) -> None:
        """Add to the ledger what a request may create."""
        if request.method not in ("POST", "PUT"):
            return
        ledger = self.client.ledger
        content = _sent(request)
        collection = request.path
        if request.method == "PUT":
            entry = ledger.entries.get(request.path)
            collection = entry.collection if isinstance(entry, Creation) else ""
        name = content.get("name")
        if collection in self.client.scope.collections and isinstance(name, str):
            ledger.add(Creation(collection=collection, name=name, path=item_path(collection, name)))

    def _note_changes(self, requests: Iterable[LabRequest]) -> None:
        """Add to the ledger what requests may change, before the first of them."""
        default = self.client.scope.scratch_default
        for request in requests:
            if request.method in ("POST", "PUT"):
                if request.path in self.originals:
                    self._note_change(self.originals[request.path])
                if default is not None and _sent(request).get("isDefault", False) is not False:
                    self._note_change(self.originals[default])

    def _note_change(self, change: Change) -> None:
        """Add a change to the ledger. Raises `Untrustworthy` if somebody else has changed the same before."""
        if change.path in self.client.ledger.entries:
            return
        answer = self.client.ask(LabRequest(method="GET", target=change.path))
        if answer.status != HTTPStatus.OK or not is_as_before(change, answer, self.volatile):
            raise Untrustworthy(f"somebody else has changed {self.client.shown(change.path)} while the run went on")
        self.client.ledger.add(change)

    def clean(self) -> list[str]:
        """Undo what the ledger of the run names. Return a sentence for each thing that could not be undone."""
        return clean(self.client, self.volatile, self.absent)

    def _clean(self) -> None:
        left = self.clean()
        if left:
            raise Untrustworthy(f"something was left behind: {'; '.join(left)}")

    def _content_at(self, path: str) -> Any:
        answer = self.client.ask(LabRequest(method="GET", target=path))
        if answer.status != HTTPStatus.OK:
            raise Untrustworthy(f"GET {self.client.shown(path)} was answered with {answer.status}")
        return answer.content()


class _Changed(Exception):
    """The answer is another one than when the twin was made."""


class _Varies(Exception):
    """The same request has answers of different kinds."""


def judged(probe: Probe, compared: Sequence[Compared], volatile: set[str]) -> Outcome:
    """Return what the answers to a probe's requests say about its rule."""
    *_, last = compared
    if any(each.decided for each in compared):
        verdict: Verdict = "not decidable" if probe.unsure else "contradicted"
        reason = probe.unsure
    elif STATUS in last.places:
        verdict = "not decidable"
        reason = f"a request before it was answered with {last.lab.status}, not with {last.twin.status}"
    elif any(each.is_hidden for each in compared):
        verdict, reason = "not decidable", "the answer does not show what the rule is about"
    elif all(
        last_name(each) in volatile for step in probe.steps for each in step.decides if each != STATUS
    ) and not any(STATUS in step.decides for step in probe.steps):
        verdict, reason = "not decidable", "what it decides varies by itself"
    else:
        verdict, reason = "confirmed", ""
    return Outcome(probe=probe, verdict=verdict, reason=reason, compared=tuple(compared))


def _switch(probe: Probe) -> str:
    """Return the option of the command that lets a probe write."""
    if probe.permission == Permission.OWN:
        return "--create"
    return "--scratch-user" if any(step.user for step in probe.steps) else "--scratch-group"


def _sent(request: LabRequest) -> Mapping[str, Any]:
    try:
        content = orjson.loads(request.body or b"{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}

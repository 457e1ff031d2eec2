"""A run of `conform`, from the login to the verdicts.

The module is long because each step of a run needs what the steps before it have seen.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from simulator.app import Simulation
from simulator.contract.contract import Contract
from simulator.errors import RuleViolation
from simulator.lab.client import LabClient, Untrustworthy, level_of
from simulator.lab.compare import ERRORS, STATUS, differences, last_name
from simulator.lab.conform import Conformity, Outcome
from simulator.lab.content import NO_ACCOUNTS
from simulator.lab.crawl import Observed, UnexpectedAnswer, crawl
from simulator.lab.exchange import Caller, LabAnswer, LabRequest, request_of
from simulator.lab.guard import PREFIX, Permission, Scope, scope_of
from simulator.lab.importing import NO_USER, people
from simulator.lab.ledger import RunLedger
from simulator.lab.plan import Plan
from simulator.lab.probes import Probes, load_probes
from simulator.lab.twin import Twin
from simulator.lab.verdicts import Correction, Verdicts, verdicts_of
from simulator.lab.words import CAPACITIES, EXECUTIVE, Named, Words, free_members, words_of

MOST_USERS = 20
"""How many users are asked about, besides those who are named. A group may have thousands."""
ABSENT = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


@dataclass(slots=True)
class Run:
    """One run. After `go`, `verdicts` are its results, and `problems` are why they cannot be trusted.

    `seen` are the contents of the answers that the twin was made of, and `content` is that of its fixture.
    """

    simulation: Simulation
    client: LabClient
    plan: Plan
    file: Path
    progress: Callable[[str, float | None], object]
    name: str = field(default_factory=lambda: secrets.token_hex(3))
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    volatile: set[str] = field(default_factory=set)
    content: dict[str, Any] = field(default_factory=dict)
    seen: list[Any] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    verdicts: Verdicts | None = None
    was_interrupted: bool = False
    _accounts: dict[Caller, Mapping[str, Any]] = field(default_factory=dict)
    _last: str = ""
    """The path of the last request of the crawl."""

    @property
    def prefix(self) -> str:
        """How the names of everything begin that the run creates."""
        return f"{PREFIX}{self.name}-"

    @property
    def contract(self) -> Contract:
        """The contract that both systems are asked by."""
        return self.simulation.contract

    def go(self) -> None:
        """Ask the laboratory, and judge. Whatever happens, put everything back first."""
        probes = load_probes(self.simulation.ledger)
        conformity: Conformity | None = None
        try:
            conformity = self.prepare()
            self._ask(conformity, probes)
        except (Untrustworthy, UnexpectedAnswer, OSError) as problem:
            # What could not be cleaned up may hide why it had to be.
            found = (problem.__context__, problem)
            self.problems += [self._told(each) for each in found if isinstance(each, Untrustworthy) or each is problem]
        except KeyboardInterrupt:
            self.was_interrupted = True
            self.problems.append("the run was interrupted")
        finally:
            if conformity is not None:
                self._clean(conformity)
        if conformity is None:
            return
        self.outcomes = conformity.outcomes
        self.progress("judging", None)
        self.verdicts = verdicts_of(
            self.simulation.ledger,
            [*self.outcomes, *_not_asked(probes, self.outcomes)],
            probes.without,
            self.volatile,
            self._twin,
            [(self._operation_of(request), request, answer) for request, answer in conformity.seen],
        )

    def _operation_of(self, request: LabRequest) -> str:
        return self.contract.paths[self.client.shown(request.path)][request.method].operation_id

    def _told(self, problem: BaseException) -> str:
        """Return what a problem says, without anything of the system's own."""
        if isinstance(problem, UnexpectedAnswer):
            place = f" at {problem.pointer}" if problem.pointer else ""
            # A reason without a place is about the status, or about what is no JSON.
            reason = "" if place else f": {problem.reason}"
            return f"the contract does not allow the answer to GET {self.client.shown(problem.path)}{place}{reason}"
        if isinstance(problem, OSError):
            return f"the ledger of the run cannot be written: {problem.strerror or problem}"
        return str(problem)

    def prepare(self) -> Conformity:
        """Log in, look around, and make the twin. Raises `Untrustworthy`, `UnexpectedAnswer` or `OSError`."""
        try:
            return self._prepared()
        except (LookupError, TypeError, ValueError, AttributeError, RuleViolation) as problem:
            # Only the shape of the answers varies here, and there are as many wrong shapes as there are systems.
            where = f"; the last one was to GET {self.client.shown(self._last)}" if self._last else ""
            raise Untrustworthy(f"the answers of the system do not have the documented shape{where}") from problem

    def _prepared(self) -> Conformity:
        client, plan = self.client, self.plan
        self.progress("reading", None)
        client.log_in()
        for caller, answer in client.logins.items():
            self._accounts[caller] = level_of(answer)
        groups = tuple(dict.fromkeys(filter(None, (*plan.groups, plan.scratch_group))))
        users = (*plan.users, *filter(None, (plan.scratch_user, plan.fresh_user)))
        observed: Observed = crawl(
            self.contract, self._ask_twice, plan.tenant, groups, users, is_strict=False, most_users=MOST_USERS
        )
        self.content = observed.content
        self.notes = [note for note in observed.notes if note != NO_ACCOUNTS]
        self.seen = [{"tenantId": plan.tenant, "groups": dict.fromkeys(groups), "userIds": list(users)}]
        self.seen += [answer.content() for _, answer in observed.exchanges if answer.status == HTTPStatus.OK]
        if not people(observed):
            raise Untrustworthy(NO_USER)
        if plan.scratch_group and not self._has_capacities(plan.scratch_group):
            raise Untrustworthy("the scratch group shows no call capacities; check --scratch-group")
        named = self._named(groups, observed.asked)
        if named.fresh_user is not None:
            group, user = named.fresh_user
            self.content["tenants"][plan.tenant]["groups"][group]["users"][user].pop("executive", None)
        words = words_of(self.content, named, self.prefix)
        absent = self._absent(words)
        client.scope = self._scope(words, named)
        twin = self._twin({})
        conformity = Conformity(client, twin, words, self.contract, self.volatile, absent, observed.exchanges)
        if plan.permission > Permission.READ:
            conformity.read_originals(named.scratch_user)
            client.ledger = RunLedger.begin(self.file, self._about(client.scope, absent))
        return conformity

    def _ask(self, conformity: Conformity, probes: Probes) -> None:
        before = conformity.inventory()
        conformity.rehearse()
        for i, probe in enumerate(probes.probes):
            self.progress(probe.rule, i / len(probes.probes))
            conformity.outcomes.append(conformity.ask(probe))
        differing = conformity.differing(before, conformity.inventory())
        if differing:
            places = ", ".join(map(self.client.shown, differing))
            raise Untrustworthy(f"the laboratory is not as it was before: {places}")

    def _clean(self, conformity: Conformity) -> None:
        """Put back what is still in the ledger. The first Ctrl-C meanwhile only begins it again."""
        self.progress("cleaning up", None)
        left: list[str] = []
        for attempt in (1, 2):
            try:
                left = conformity.clean()
                break
            except KeyboardInterrupt:
                self.was_interrupted = True
                if attempt == 2:
                    left = ["the cleaning was interrupted"]
        self.problems += [each for each in left if each not in self.problems]
        self.client.ledger.end()

    def _ask_twice(self, request: LabRequest) -> LabAnswer:
        """Send each request twice, and note what varies by itself. Any refusal counts as 404 for the crawl."""
        self._last = request.path
        self.progress(f"{self.client.count} requests", None)
        answer, again = self.client.ask(request), self.client.ask(request)
        varying = differences(answer, again)
        self.volatile.update(last_name(each) for each in varying if each not in (STATUS, ERRORS))
        if STATUS in varying or ERRORS in varying:
            raise Untrustworthy(f"GET {self.client.shown(request.path)} has answers of different kinds")
        if HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return replace(answer, status=HTTPStatus.NOT_FOUND)
        return answer

    def _named(self, groups: Sequence[str], asked: frozenset[str]) -> Named:
        """Return what the plan names, with the groups of its users. Raises `Untrustworthy` if one was not found."""
        plan, second = self.plan, self._accounts.get("second", {})
        return Named(
            tenant=plan.tenant,
            groups=plan.groups,
            scratch_group=plan.scratch_group,
            scratch_user=self._executive(groups, plan.scratch_user),
            fresh_user=self._executive(groups, plan.fresh_user),
            second_group=second.get("group_id", ""),
            second_user=second.get("user_id", ""),
            has_token=bool(self.client.credentials.token),
            asked=asked,
        )

    def _has_capacities(self, group: str) -> bool:
        seen = self.content["tenants"][self.plan.tenant]["groups"].get(group) or {}
        return CAPACITIES in seen.get("services", ())

    def _executive(self, groups: Sequence[str], user_id: str) -> tuple[str, str] | None:
        if not user_id:
            return None
        seen = self.content["tenants"][self.plan.tenant]["groups"]
        for group in groups:
            user = (seen.get(group, {}).get("users") or {}).get(user_id)
            if user is not None and EXECUTIVE in user.get("services", ()):
                return group, user_id
        raise Untrustworthy("the scratch user or the fresh user is no executive of the groups that were named")

    def _absent(self, words: Words) -> frozenset[int]:
        """Return the statuses of what does not exist: the usual ones, and that of the laboratory."""
        if "group" not in words.texts:
            return ABSENT
        parameters = {"tenant_id": words.tenant, "group_id": words.texts["group"]}
        parameters["call_capacity_name"] = words.texts["unknown"]
        answer = self.client.ask(request_of(self.contract.operations["getCallCapacity"], parameters), is_refused=True)
        tells = answer.status >= HTTPStatus.BAD_REQUEST and answer.status != HTTPStatus.FORBIDDEN
        if not tells and self.plan.permission > Permission.READ:
            raise Untrustworthy(
                f"what does not exist is answered with {answer.status}, so nothing can be proved deleted"
            )
        return ABSENT | {answer.status} if tells else ABSENT

    def _scope(self, words: Words, named: Named) -> Scope:
        plan = self.plan
        own = words.texts.get("group", "") if plan.create else ""
        scope = scope_of(
            self.contract, plan.permission, self.prefix, plan.tenant, own, plan.scratch_group, named.scratch_user
        )
        group = self.content["tenants"][plan.tenant]["groups"].get(plan.scratch_group, {})
        return replace(scope, scratch_members=frozenset(free_members(group)))

    def _twin(self, corrections: Mapping[str, Correction]) -> Twin:
        first: dict[Caller, Mapping[str, Any]] = {
            name: each for name, each in self._accounts.items() if name == "first"
        }
        for accounts in (self._accounts, first):
            # An account may be of a group or a user that was not seen.
            with suppress(RuleViolation):
                return Twin(self.simulation, self.content, accounts, corrections)
        return Twin(self.simulation, self.content, {}, corrections)

    def _about(self, scope: Scope, absent: frozenset[int]) -> dict[str, Any]:
        return {
            "system": self.client.url,
            "prefix": self.prefix,
            "collections": dict(scope.collections),
            "parts": sorted(scope.parts),
            "scratch_default": scope.scratch_default,
            "absent": sorted(absent),
            "volatile": sorted(self.volatile),
        }


def _not_asked(probes: Probes, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return outcomes for the probes that the run did not come to."""
    reason = "the run ended before this was asked"
    return [Outcome(probe=each, verdict="not decidable", reason=reason) for each in probes.probes[len(outcomes) :]]

"""Reads what the documented GETs show of a tenant, and makes the content of a fixture of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from simulator.app import standard_simulation
from simulator.contract.contract import Contract
from simulator.lab.content import Seen, content_of
from simulator.lab.exchange import Ask, LabAnswer, LabRequest, request_of
from simulator.lab.fitting import fit

CAPACITY_ATTRIBUTES = ("name", "isDefault", "maxCalls", "maxIncomingCalls", "maxOutgoingCalls")

MOST_BYTES = 256 * 1024 * 1024
"""How many bytes all answers may have together: they are kept."""

Parameters = Mapping[str, str]


class UnexpectedAnswer(Exception):
    """An answer is not as the contract says. The message names the request and the place in the answer."""

    def __init__(self, request: LabRequest, pointer: str, reason: str) -> None:
        place = f" at {pointer}" if pointer else ""
        super().__init__(
            f"the contract does not allow the answer to {request.method} {request.target}{place}: {reason}"
        )
        self.path = request.path
        self.pointer = pointer
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Observed:
    """What a crawl has seen: every exchange in order, a fixture's content, and sentences about what was not seen.

    `Fixtures.world_of_content` takes the content. The sentences hold no name, number or id of the system. `asked` are
    the ids of the users of whom it is known whether they are executives.
    """

    exchanges: list[tuple[LabRequest, LabAnswer]]
    content: dict[str, Any]
    notes: list[str]
    asked: frozenset[str] = frozenset()


def crawl(
    contract: Contract,
    ask: Ask,
    tenant: str,
    groups: Sequence[str],
    users: Iterable[str] = (),
    *,
    is_strict: bool = True,
    most_users: int | None = None,
) -> Observed:
    """Ask for everything that the GETs show of these groups of a tenant.

    A group shows all its users if it has Call Capacity Management (CC-12). Of other groups, only those users are seen
    who can be assistants (EX-2, EX-3), and the executives among `users`. Raises `UnexpectedAnswer` for an answer that
    the contract does not allow, and whatever `ask` raises. If it is not strict, it allows other attributes and values.
    `most_users` is how many users it asks about, besides those among `users`, whether they are executives.
    """
    crawler = _Crawler(contract, ask, Seen(tenant, dict.fromkeys(groups)), is_strict, most_users)
    for group_id in crawler.seen.groups:
        crawler.read_group(group_id)
    crawler.read_executives(dict.fromkeys(users))
    content, notes = content_of(crawler.seen)
    if crawler.missing:
        notes.append(f"Answers with 404 about something that other answers had shown: {crawler.missing}.")
    notes += fit(content, standard_simulation().fixtures)
    asked = frozenset(user_id for _, user_id in crawler.asked)
    return Observed(crawler.exchanges, content, notes, asked)


@dataclass(slots=True)
class _Crawler:
    contract: Contract
    ask: Ask
    seen: Seen
    is_strict: bool
    most_users: int | None = None
    exchanges: list[tuple[LabRequest, LabAnswer]] = field(default_factory=list)
    size: int = 0
    """How many bytes the answers have."""
    missing: int = 0
    """How many answers were 404, against what others had shown."""
    asked: set[tuple[str, str]] = field(default_factory=set)
    """The group and user of each question whether the user is an executive."""
    waiting: deque[tuple[str, str]] = field(default_factory=deque)
    compared: bool = False
    """Whether the two forms of `sameGroupOnly` have been compared."""

    def get(
        self, operation_id: str, parameters: Parameters, body: object = None, query: Parameters | None = None
    ) -> Any:
        """Return the checked content of the answer, or `None` if it is a 404."""
        operation = self.contract.operations[operation_id]
        request = request_of(operation, {"tenant_id": self.seen.tenant_id, **parameters}, query, body)
        answer = self.ask(request)
        self.exchanges.append((request, answer))
        self.size += len(answer.body)
        if self.size > MOST_BYTES:
            raise UnexpectedAnswer(request, "", f"the answers have more than {MOST_BYTES} bytes altogether")
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status != operation.success:
            raise UnexpectedAnswer(request, "", f"its status is {answer.status}, not {operation.success} or 404")
        try:
            content = answer.content()
        except ValueError:
            raise UnexpectedAnswer(request, "", "it is no JSON") from None
        schema = operation.answers[operation.success]
        if not isinstance(content, dict):
            raise UnexpectedAnswer(request, "", "it is no JSON object")
        faults = schema.read_what_is_valid(content)[1] if schema is not None else []
        if faults and self.is_strict:
            raise UnexpectedAnswer(request, faults[0].pointer or "", faults[0].reason)
        return content

    def expected(
        self, operation_id: str, parameters: Parameters, body: object = None, query: Parameters | None = None
    ) -> dict[str, Any]:
        """Return the content of an answer about something that another answer has shown. A 404 counts as empty."""
        content: dict[str, Any] | None = self.get(operation_id, parameters, body, query)
        self.missing += content is None
        return content or {}

    def read_group(self, group_id: str) -> None:
        """Ask for the capacities of a group, their members, and the users without a capacity."""
        place = {"group_id": group_id}
        listed = self.get("listCallCapacities", place)
        if listed is None:
            return
        self.seen.listed.add(group_id)
        available = self.expected("listAvailableCallCapacityUsers", place).get("users", [])
        self.seen.chains.append(self.meet(available, group_id))
        for item in listed["call_capacities"]:
            shown = self.expected("getCallCapacity", {**place, "call_capacity_name": item["name"]})
            members = list(dict.fromkeys(self.meet(shown.get("users", []), group_id)))
            capacity = {name: (shown or item)[name] for name in CAPACITY_ATTRIBUTES if name in (shown or item)}
            self.seen.capacities[group_id].append({**capacity, **({"userIds": members} if members else {})})

    def meet(self, users: Iterable[dict[str, Any]], group_id: str | None) -> list[str]:
        """Note users of an answer, and their group if it is known. Return their ids."""
        return [self.seen.meet(each, group_id) for each in users]

    def read_executives(self, named: Collection[str]) -> None:
        """Ask for the settings of all executives: among the users seen, those seen meanwhile, and the named ones."""
        self.waiting.extend((group_id, user_id) for user_id, group_id in self.seen.home.items())
        for user_id in named:
            if user_id not in self.seen.home:
                self.wait_for(user_id)
        others = 0
        while self.waiting:
            group_id, user_id = self.waiting.popleft()
            # A user is in one group.
            if (group_id, user_id) in self.asked or self.seen.home.get(user_id, group_id) != group_id:
                continue
            if user_id not in named:
                if self.most_users is not None and others >= self.most_users:
                    continue
                others += 1
            self.asked.add((group_id, user_id))
            self.read_executive(group_id, user_id)
        self.seen.unknown += sum(user_id not in self.seen.home for user_id in named)

    def wait_for(self, user_id: str) -> None:
        """Have a user asked about in the group that is known or possible, if it is one of the named groups."""
        known = self.seen.group_of(user_id)
        possible = [each for each in self.seen.groups if each not in self.seen.listed] if known is None else [known]
        self.waiting.extend((each, user_id) for each in possible if each in self.seen.groups)

    def read_executive(self, group_id: str, user_id: str) -> None:
        """Ask for the settings of a user, and for who could be an assistant. A user without the service has none."""
        place = {"group_id": group_id, "user_id": user_id}
        pool = self.get("getAssistants", place)
        if pool is None:
            return
        self.seen.home.setdefault(user_id, group_id)
        filtering, screening, alerting = (
            self.expected(each, place) for each in ("getFiltering", "getScreening", "getAlerting")
        )
        near = self.meet(self.expected("listAvailableAssistants", place).get("users", []), group_id)
        far = self.read_far(place, near)
        assigned = list(dict.fromkeys(self.meet(pool["assistantUsers"], None)))
        self.seen.chains += [near, far]
        self.seen.far.append(far)
        self.seen.assistants.update(dict.fromkeys([*near, *far, *assigned]))
        self.seen.settings[user_id] = {
            "assistants": {"allowOptInOut": pool["allowOptInOut"], "assistantUserIds": assigned},
            "filtering": {name: value for name, value in filtering.items() if name != "criteria"},
            "screening": screening,
            "alerting": alerting,
            "criteria": filtering.get("criteria", []),
        }
        if group_id not in self.seen.listed:
            self.seen.beside.update(dict.fromkeys(assigned, group_id))
        for each in (*near, *far, *assigned):
            self.wait_for(each)

    def read_far(self, place: Parameters, near: list[str]) -> list[str]:
        """Ask for the assistants of all groups. The documented form is a body, which proxies may drop (EX-3)."""
        operation = "listAvailableAssistants"
        far = self.meet(self.expected(operation, place, {"sameGroupOnly": False}).get("users", []), None)
        if self.compared or set(far) != set(near):
            return far
        self.compared = True
        by_query = self.expected(operation, place, query={"sameGroupOnly": "false"}).get("users", [])
        ids = self.meet(by_query, None)
        if set(ids) != set(far):
            self.seen.notes.append(
                "The system follows sameGroupOnly as a query parameter, but not in the body of a GET. Some of the "
                "answers here are different for that reason."
            )
        return ids

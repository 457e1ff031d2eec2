"""Makes the content of a fixture of what the answers of a system have shown.

The module is long because each thing that no answer shows has to be guessed from all others.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, groupby, pairwise
from typing import Any

from simulator.fixture.shape import VERSION

CAPACITIES = "Call Capacity Management"
EXECUTIVE = "Executive"
ASSISTANT = "Executive-Assistant"
NO_ACCOUNTS = "No call shows accounts or passwords. There are none here, so add those that your tests log in with."
MADE_UP_DOMAIN = "example.com"
SEPARATOR = " \\ "
ATTRIBUTES = ("firstName", "lastName", "extension", "phoneNumber", "emailAddress")


@dataclass(slots=True)
class Seen:
    """What answers have shown of a tenant. `groups` are the groups that were named, in their order.

    `listed` are those that show all their users. `people` holds what lists show of each user, by id, and `home` the
    group of a user; `beside` is that of an executive whom the user assists. `chains` are lists in the system's own
    order, `far` those of assistants of all groups. `settings` holds the section of each executive. `unknown` is how
    many users were named and not found.
    """

    tenant_id: str
    groups: Mapping[str, None]
    listed: set[str] = field(default_factory=set)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    home: dict[str, str] = field(default_factory=dict)
    beside: dict[str, str] = field(default_factory=dict)
    chains: list[list[str]] = field(default_factory=list)
    far: list[list[str]] = field(default_factory=list)
    assistants: dict[str, None] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    capacities: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unknown: int = 0

    def __post_init__(self) -> None:
        self.capacities = {group_id: [] for group_id in self.groups}

    def meet(self, user: dict[str, Any], group_id: str | None) -> str:
        """Note a user as a list shows it, and the group if the list shows one. Return the id."""
        user_id: str = user["userId"]
        self.people.setdefault(user_id, user)
        if group_id is not None:
            self.home.setdefault(user_id, group_id)
        return user_id

    def group_of(self, user_id: str) -> str | None:
        """Return the group of a user, if an answer shows it. A department shows it, too."""
        department = self.people.get(user_id, {}).get("department")
        return self.home.get(user_id) or (department["groupId"] if department else None)


def content_of(seen: Seen) -> tuple[dict[str, Any], list[str]]:
    """Return the content of a fixture, and sentences about what was not seen or is a guess."""
    notes = list(seen.notes)
    homes = _homes(seen, notes)
    order, agree = merged(seen.chains, [*seen.people, *homes])
    groups_of_lists = [list(dict.fromkeys(homes[each] for each in chain)) for chain in seen.far]
    group_ids, groups_agree = merged(groups_of_lists, [*seen.groups, *homes.values()])
    if not (agree and groups_agree):
        notes.append("The lists of the system show the same users in different orders. Only one order could be kept.")
    departments = {group_id: _Departments(group_id) for group_id in group_ids}
    groups: dict[str, Any] = {group_id: {} for group_id in group_ids}
    for user_id in order:
        user = _user(seen, user_id, departments[homes[user_id]])
        groups[homes[user_id]].setdefault("users", {})[user_id] = user
    for group_id in group_ids:
        own = departments[group_id].parents
        groups[group_id] = {
            **({"services": [CAPACITIES]} if group_id in seen.listed else {}),
            **({"departments": {name: {"parent": up} if up else {} for name, up in own.items()}} if own else {}),
            **groups[group_id],
            **({"callCapacities": seen.capacities[group_id]} if seen.capacities.get(group_id) else {}),
        }
    odd = sum(each.odd for each in departments.values())
    if odd:
        notes.append(f"Users whose department has another path in the system than here: {odd}.")
    kind = _kind(seen, departments.values(), homes, notes)
    content = {
        "version": VERSION,
        "defaultDomain": _domain(order, notes),
        "tenants": {seen.tenant_id: {"type": kind, "groups": groups}},
    }
    return content, [*notes, *_gaps(seen, homes)]


def merged(chains: Iterable[Sequence[str]], everything: Iterable[str]) -> tuple[list[str], bool]:
    """Return everything in an order that keeps the order of each chain, and whether there is one.

    Items that are in no chain keep their place. The time is linear in the sum of the chains, but for sorting.
    """
    rank = {each: i for i, each in enumerate(dict.fromkeys(everything))}
    names = list(rank)
    after: list[set[int]] = [set() for _ in names]
    before = [0] * len(names)
    for chain in chains:
        for one, other in pairwise(chain):
            if rank[other] not in after[rank[one]]:
                after[rank[one]].add(rank[other])
                before[rank[other]] += 1
    ready = [i for i, number in enumerate(before) if not number]
    placed = [False] * len(names)
    rest = iter(range(len(names)))
    order: list[str] = []
    agree = True
    while len(order) < len(names):
        if ready:
            i = heapq.heappop(ready)
        else:
            agree = False
            i = next(each for each in rest if not placed[each])
        if placed[i]:
            continue
        placed[i] = True
        order.append(names[i])
        for each in after[i]:
            before[each] -= 1
            if not before[each]:
                heapq.heappush(ready, each)
    return order, agree


def _homes(seen: Seen, notes: list[str]) -> dict[str, str]:
    """Return the group of each user. If no answer shows it, the lists of assistants give a place between other users.

    In such a list the users of one group stand together (G-13), and not all users of the group are known.
    """
    known = {user_id: group for user_id in seen.people if (group := seen.group_of(user_id)) is not None}
    homes = {**seen.home, **known}
    taken = set(homes.values())
    spare = iter([each for each in seen.groups if each not in seen.listed and each not in taken])
    invented = (name for i in count(1) if (name := f"group-{i}") not in {*taken, *seen.groups})
    guessed, made_up = 0, 0
    for chain in seen.far:
        runs = [(group, list(users)) for group, users in groupby(chain, homes.get)]
        for i, (group, users) in enumerate(runs):
            if group is not None:
                continue
            around = [runs[j][0] for j in (i - 1, i + 1) if 0 <= j < len(runs)]
            place = next((each for each in around if each is not None and each not in seen.listed), None)
            if place is None:
                place = next(spare, None)
            if place is None:
                place = next(invented)
                made_up += 1
            guessed += len(users)
            homes.update(dict.fromkeys(users, place))
            runs[i] = (place, users)
    rest = [user_id for user_id in seen.people if user_id not in homes]
    homes.update({user_id: seen.beside[user_id] for user_id in rest if user_id in seen.beside})
    apart = [user_id for user_id in rest if user_id not in homes]
    if apart:
        partly_known = [each for each in dict.fromkeys(homes.values()) if each not in seen.listed]
        place = next(spare, None) or next(iter(partly_known), None)
        if place is None:
            place = next(invented)
            made_up += 1
        homes.update(dict.fromkeys(apart, place))
    guessed += len(rest)
    if guessed:
        notes.append(f"Users whose group is in no answer: {guessed}. The group that they are in here is a guess.")
    if made_up:
        notes.append(f"Groups that are made up, for users whose group is not known: {made_up}.")
    return homes


@dataclass(slots=True)
class _Departments:
    """The departments of a group: the parent of each. `odd` counts users whose department shows another path."""

    group_id: str
    parents: dict[str, str | None] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)
    odd: int = 0

    def name_of(self, department: dict[str, str]) -> str | None:
        """Return the name of a user's department, and note its parents from its path (G-15)."""
        name, path = department["departmentName"], department["fullPathName"]
        suffix = f" ({department['groupId']})"
        is_enterprise = path.endswith(name + suffix)
        above = path.removesuffix(suffix if is_enterprise else "").removesuffix(name)
        names = [*above.removesuffix(SEPARATOR).split(SEPARATOR), name] if above else [name]
        fits = path.endswith((name + suffix, name)) and (not above or above.endswith(SEPARATOR))
        fits = fits and department["groupId"] == self.group_id
        if not name:
            self.odd += 1
            return None
        if fits:
            self.kinds.add("Enterprise" if is_enterprise else "ServiceProvider")
            for parent, each in zip([None, *names], names, strict=False):
                fits = fits and bool(each) and self.parents.setdefault(each, parent) == parent
        self.parents.setdefault(name, None)
        self.odd += not fits
        return name


def _user(seen: Seen, user_id: str, departments: _Departments) -> dict[str, Any]:
    shown = seen.people.get(user_id, {})
    department = shown.get("department")
    name = departments.name_of(department) if department else None
    services = [EXECUTIVE] if user_id in seen.settings else []
    services += [ASSISTANT] if user_id in seen.assistants else []
    return {
        "firstName": "",
        "lastName": "",
        **{each: shown[each] for each in ATTRIBUTES if shown.get(each)},
        **({"department": name} if name else {}),
        **({"services": services} if services else {}),
        **({"executive": seen.settings[user_id]} if user_id in seen.settings else {}),
    }


def _kind(seen: Seen, departments: Iterable[_Departments], homes: Mapping[str, str], notes: list[str]) -> str:
    """Return the type of the tenant. Paths of departments show it (G-15), and assistants of other groups (EX-3)."""
    kinds = set().union(*(each.kinds for each in departments))
    if "Enterprise" in kinds or any(len({homes[each] for each in chain}) > 1 for chain in seen.far):
        return "Enterprise"
    if not kinds:
        notes.append("No answer shows whether the tenant is an enterprise or a service provider. The type is a guess.")
    return "ServiceProvider"


def _domain(user_ids: Iterable[str], notes: list[str]) -> str:
    domains = Counter(domain for each in user_ids if (domain := each.partition("@")[2]))
    if not domains:
        notes.append("No user id has a domain. The default domain is made up.")
        return MADE_UP_DOMAIN
    notes.append("The default domain is a guess: most user ids have it.")
    return domains.most_common(1)[0][0]


def _gaps(seen: Seen, homes: Mapping[str, str]) -> Iterable[str]:
    """Yield sentences about what no answer shows."""
    yield NO_ACCOUNTS
    hidden = len(seen.groups) - len(seen.listed)
    if hidden:
        yield (
            f"Groups without {CAPACITIES}, or that do not exist: {hidden} of {len(seen.groups)}. Of their users, only "
            "those are here who can be assistants, and the executives that were named with --user."
        )
    foreign = len(set(homes.values()) - seen.groups.keys())
    if foreign:
        yield (
            f"Groups that were not named with --group: {foreign}. Of their users, only those are here who can be "
            "assistants."
        )
    nameless = sum(user_id not in seen.people for user_id in homes)
    if nameless:
        yield f"Users without names and numbers, because no answer shows these: {nameless}."
    if seen.unknown:
        yield f"Users named with --user who do not exist, or are no executives of these groups: {seen.unknown}."

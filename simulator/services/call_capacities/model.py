"""The records of Call Capacity Management.

Each write makes some of them anew, which takes a named tuple a quarter of the time that a frozen dataclass takes.
"""

from __future__ import annotations

from typing import NamedTuple

from rpds import HashTrieMap


class CallCapacity(NamedTuple):
    """A limit on the simultaneous calls of its members; a direction's limit that is `None` is no limitation (CC-5).

    `number` counts the capacities of the group in the order of creation (G-13).
    """

    number: int
    name: str
    is_default: bool
    max_calls: int
    max_incoming_calls: int | None = None
    max_outgoing_calls: int | None = None
    user_ids: tuple[str, ...] = ()


class CallCapacities(NamedTuple):
    """The capacities of a group by name.

    `membership` says in which capacity a user is (CC-7), `default` which capacity is the default (CC-6); both repeat
    what the capacities say, so that a change need not look at all of them.
    """

    by_name: HashTrieMap[str, CallCapacity] = HashTrieMap()
    membership: HashTrieMap[str, str] = HashTrieMap()
    default: str | None = None
    created: int = 0

    def in_order(self) -> list[CallCapacity]:
        """All capacities, oldest first (G-13)."""
        return sorted(self.by_name.values(), key=lambda capacity: capacity.number)

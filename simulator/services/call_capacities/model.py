"""The records of Call Capacity Management.

They are named tuples, because each write makes new ones: a frozen dataclass takes four times as long to make.
"""

from __future__ import annotations

from typing import NamedTuple

from rpds import HashTrieMap


class CallCapacity(NamedTuple):
    """Limits the simultaneous calls of its members. `None` means that a direction has no limit (CC-5).

    `number` counts the capacities of the group in the order of creation (G-13).
    """

    number: int
    name: str
    is_default: bool
    max_calls: int
    max_incoming_calls: int | None = None
    max_outgoing_calls: int | None = None
    user_ids: tuple[str, ...] = ()


CAPACITY_BYTES = 600
"""About how many bytes a capacity takes, besides its members."""
MEMBER_BYTES = 100
"""About how many bytes a member of a capacity takes."""


class CallCapacities(NamedTuple):
    """The capacities of a group by name.

    `membership` maps a user id to the name of the user's capacity (CC-7). `default` names the default capacity (CC-6).
    Both repeat data of the capacities, so that a change need not search all of them. `added` is about how many bytes
    of this state calls have made, at most. The state that the fixture made shares the rest (S-10).
    """

    by_name: HashTrieMap[str, CallCapacity] = HashTrieMap()
    membership: HashTrieMap[str, str] = HashTrieMap()
    default: str | None = None
    created: int = 0
    added: int = 0

    def in_order(self) -> list[CallCapacity]:
        """Return all capacities, oldest first (G-13)."""
        return sorted(self.by_name.values(), key=lambda capacity: capacity.number)

"""The records of Call Capacity Management."""

from __future__ import annotations

from dataclasses import dataclass, field

from rpds import HashTrieMap


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCapacity:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCapacities:
    """The capacities of a group by name.

    `membership` says in which capacity a user is (CC-7), `default` which capacity is the default (CC-6); both repeat
    what the capacities say, so that a change need not look at all of them.
    """

    by_name: HashTrieMap[str, CallCapacity] = field(default_factory=HashTrieMap)
    membership: HashTrieMap[str, str] = field(default_factory=HashTrieMap)
    default: str | None = None
    created: int = 0

    def in_order(self) -> list[CallCapacity]:
        """All capacities, oldest first (G-13)."""
        return sorted(self.by_name.values(), key=lambda capacity: capacity.number)

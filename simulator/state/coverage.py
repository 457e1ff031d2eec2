"""Coverage: which operations, statuses and rules the clients of a sandbox have exercised (S-8)."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

UNDOCUMENTED_KEPT = 1_000
"""How many different undocumented calls are told apart."""


class Counted(NamedTuple):
    """A call as coverage sees it: of no operation if it is undocumented, without status if it got no answer."""

    operation_id: str | None
    method: str
    path: str
    status: int | None
    rule: str | None


class Coverage:
    """Counts of calls: by operation and status, of refusals by operation and rule, and of undocumented calls."""

    def __init__(self) -> None:
        self.statuses: Counter[tuple[str, int | None]] = Counter()
        self.rules: Counter[tuple[str, str]] = Counter()
        self.undocumented: Counter[tuple[str, str, int | None]] = Counter()

    def count(self, call: Counted) -> None:
        """Count one call. One thread at a time."""
        if call.operation_id is None:
            kind = (call.method, call.path, call.status)
            if kind in self.undocumented or len(self.undocumented) < UNDOCUMENTED_KEPT:
                self.undocumented[kind] += 1
            return
        self.statuses[call.operation_id, call.status] += 1
        if call.rule is not None:
            self.rules[call.operation_id, call.rule] += 1

"""Coverage: which operations, statuses and rules the clients of a sandbox have exercised (S-8)."""

from __future__ import annotations

from collections import Counter

UNDOCUMENTED_KEPT = 1_000
"""How many different undocumented calls are told apart."""


class Coverage:
    """Counts of calls: by operation and status, of refusals by operation and rule, and of undocumented calls."""

    def __init__(self) -> None:
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.rules: Counter[tuple[str, str]] = Counter()
        self.undocumented: Counter[tuple[str, str, int]] = Counter()

    def count(self, operation_id: str | None, method: str, path: str, status: int, rule: str | None) -> None:
        """Count one answered call. One thread at a time."""
        if operation_id is None:
            call = (method, path, status)
            if call in self.undocumented or len(self.undocumented) < UNDOCUMENTED_KEPT:
                self.undocumented[call] += 1
            return
        self.statuses[operation_id, status] += 1
        if rule is not None:
            self.rules[operation_id, rule] += 1

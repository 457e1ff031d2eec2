"""Coverage: which operations, statuses and rules the clients of a sandbox have exercised (S-8)."""

from __future__ import annotations

import threading
from collections import Counter, deque
from sys import getsizeof
from typing import NamedTuple, TypeVar

KINDS_KEPT = 500
"""How many different undocumented calls are counted, and how many names of ignored attributes and parameters."""
BYTES_KEPT = 128 * 1024
"""About how many bytes these calls and names may take together. No limit of a server counts them (S-10)."""
KIND_BYTES = 200
"""About how many bytes one of them takes, besides its path or name."""

TOGETHER = 500
"""How many calls are collected before they are counted."""

K = TypeVar("K")


class Counted(NamedTuple):
    """A call as coverage sees it. An undocumented call has no operation; a call without an answer has no status.

    Only undocumented calls need their path.
    """

    operation_id: str | None
    method: str
    path: str
    status: int | None
    rule: str | None
    assumed: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


class Coverage:
    """Counts calls by operation and status, and undocumented calls.

    For each operation, it also counts refusals by rule, answers that rest on the assumed part of a rule, and ignored
    attributes and parameters.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: deque[Counted] = deque()
        self._bytes = 0
        self.statuses: Counter[tuple[str, int | None]] = Counter()
        self.rules: Counter[tuple[str, str]] = Counter()
        self.assumed: Counter[tuple[str, str]] = Counter()
        self.ignored: Counter[tuple[str, str]] = Counter()
        self.undocumented: Counter[tuple[str, str, int | None]] = Counter()

    def count(self, call: Counted) -> None:
        """Count one call. To save time, calls are collected and counted together, except for those with long texts."""
        self._calls.append(call)
        if len(self._calls) >= TOGETHER or call.operation_id is None or call.ignored:
            with self._lock:
                self._count_all()

    def _count_all(self) -> None:
        # Taken one by one, so that calls that arrive meanwhile are not lost.
        calls = Counter(self._calls.popleft() for _ in range(len(self._calls)))
        for call, times in calls.items():
            if call.operation_id is None:
                self._count_kind(self.undocumented, (call.method, call.path, call.status), call.path, times)
                continue
            self.statuses[call.operation_id, call.status] += times
            if call.rule is not None:
                self.rules[call.operation_id, call.rule] += times
            for rule in call.assumed:
                self.assumed[call.operation_id, rule] += times
            for name in call.ignored:
                self._count_kind(self.ignored, (call.operation_id, name), name, times)

    def _count_kind(self, counter: Counter[K], kind: K, text: str, times: int) -> None:
        if kind not in counter:
            size = KIND_BYTES + getsizeof(text)
            if len(counter) >= KINDS_KEPT or self._bytes + size > BYTES_KEPT:
                return
            self._bytes += size
        counter[kind] += times

    def copy(self) -> Coverage:
        """Return a copy of the present counts."""
        copy = Coverage()
        with self._lock:
            self._count_all()
            copy.statuses = self.statuses.copy()
            copy.rules = self.rules.copy()
            copy.assumed = self.assumed.copy()
            copy.ignored = self.ignored.copy()
            copy.undocumented = self.undocumented.copy()
        return copy

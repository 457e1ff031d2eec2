"""Faults injected into a sandbox: other answers, delays and broken connections (S-6)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

FIRST_ERROR = 400
WITHOUT_BODY = (204, 205, 304)
"""The statuses whose answers have no body."""

ANY = "*"
"""Stands for every operation, instead of an operation's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFault:
    """What happens to which calls. Nothing is random: `after` and `times` count the calls that match.

    `delay_ms` is in milliseconds, `retry_after` in seconds; `abort` is `close` or `truncate`.
    """

    id: str
    operation_id: str
    tenant_id: str | None = None
    group_id: str | None = None
    user_id: str | None = None
    after: int = 0
    times: int | None = None
    delay_ms: int | None = None
    status: int | None = None
    body: Mapping[str, Any] | None = None
    retry_after: int | None = None
    abort: str | None = None
    warnings: tuple[str, ...] = ()

    def matches(self, operation_id: str, path: Mapping[str, str], same_user: Callable[[str, str], bool]) -> bool:
        """Return whether the fault is for this operation and these path parameters. `same_user` compares ids (G-11)."""
        if self.operation_id not in (ANY, operation_id):
            return False
        wanted = {"tenant_id": self.tenant_id, "group_id": self.group_id}
        if any(value is not None and path.get(name) != value for name, value in wanted.items()):
            return False
        return self.user_id is None or ("user_id" in path and same_user(self.user_id, path["user_id"]))

    @property
    def refuses(self) -> bool:
        """Whether the client gets an error or no answer, instead of the operation's answer."""
        return self.abort == "close" or (self.status is not None and self.status >= FIRST_ERROR)

    @property
    def ends_the_search(self) -> bool:
        """Whether the fault answers or aborts. Otherwise it only delays, and the next fault is tried too."""
        return self.status is not None or self.abort is not None


@dataclass(slots=True)
class _Counted:
    fault: InjectedFault
    size: int
    matched: int = 0
    hits: int = 0


@dataclass(frozen=True, slots=True)
class Disturbance:
    """The effect of the faults on one call: a delay in milliseconds, and the last fault that took effect, if any."""

    delay_ms: int = 0
    fault: InjectedFault | None = None


@dataclass(slots=True)
class InjectedFaults:
    """The faults of a sandbox, in the order they were added. `bytes` is about how many bytes they take."""

    bytes: int = 0
    _counted: list[_Counted] = field(default_factory=list)
    _added: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __len__(self) -> int:
        return len(self._counted)

    def add(self, make: Callable[[str], InjectedFault], limit: int, size: int = 0) -> InjectedFault | None:
        """Add the fault that `make` returns for a new id. At the limit, add nothing and return `None` (S-3).

        `size` is about how many bytes the fault takes.
        """
        with self._lock:
            if len(self._counted) >= limit:
                return None
            self._added += 1
            fault = make(str(self._added))
            self._keep([*self._counted, _Counted(fault, size)])
            return fault

    def remove(self, fault_id: str) -> bool:
        """Remove a fault, and return whether it existed."""
        with self._lock:
            before = len(self._counted)
            self._keep([each for each in self._counted if each.fault.id != fault_id])
            return len(self._counted) < before

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._keep([])

    def _keep(self, counted: list[_Counted]) -> None:
        self._counted = counted
        self.bytes = sum(each.size for each in counted)

    def with_hits(self) -> list[tuple[InjectedFault, int]]:
        """Return every fault and how often it took effect."""
        return [(each.fault, each.hits) for each in self._counted]

    def disturb(self, matches: Callable[[InjectedFault], bool]) -> Disturbance:
        """Return the effect of the faults on a call, and count the call.

        Faults are tried in their order. A fault that only delays adds its delay. The first fault that answers or
        aborts ends the search, and later faults do not count the call.
        """
        delay, last = 0, None
        with self._lock:
            for each in self._counted:
                fault = each.fault
                if not matches(fault):
                    continue
                each.matched += 1
                if each.matched <= fault.after or (fault.times is not None and each.hits >= fault.times):
                    continue
                each.hits += 1
                delay += fault.delay_ms or 0
                last = fault
                if fault.ends_the_search:
                    break
        return Disturbance(delay, last)

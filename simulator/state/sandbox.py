"""A sandbox: a world of its own over time, with everything that one test can touch."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from itertools import count

from simulator.settings import DEFAULTS, Settings
from simulator.state.answers import RememberedAnswers
from simulator.state.coverage import Counted, Coverage
from simulator.state.faults import InjectedFaults
from simulator.state.journal import Exchange, Journal
from simulator.state.world import Fork, World

SESSIONS = 1_000


class Moment:
    """A world that a sandbox holds, or held: where the same world comes back, it is another moment."""

    __slots__ = ("world",)

    def __init__(self, world: World) -> None:
        self.world = world


class Snapshot:
    """A moment with a name; `taken_at` is in seconds since the epoch. Worlds never change, so taking one is free."""

    __slots__ = ("moment", "name", "taken_at")

    def __init__(self, name: str, moment: Moment) -> None:
        self.name = name
        self.moment = moment
        self.taken_at = time.time()


class Sandbox:
    """One world over time, and everything else that one test can touch: sessions, journal, faults, coverage.

    `total` counts the calls of many sandboxes, whose journals share `positions`; `grew` is told how many bytes are kept
    of each call. Readers take `moment`, without a lock, and see one whole world. Writers go through `transaction`, one
    after another.
    """

    def __init__(
        self,
        name: str,
        seed: World,
        settings: Settings = DEFAULTS,
        total: Coverage | None = None,
        positions: Iterator[int] | None = None,
        grew: Callable[[int], object] = int,
    ) -> None:
        self.name = name
        self.total = total
        self._positions = positions or count(1)
        self._grew = grew
        self.seed = seed
        self.settings = settings
        self.created_at = time.time()
        self.last_use = 0.0
        self._lock = threading.Lock()
        self._record_lock = threading.Lock()
        self._snapshots: dict[str, Snapshot] = {}
        self._reservations = 0
        self.moment = Moment(seed)
        self.answers = self._no_answers()
        self.journal = Journal(settings.journal_limit, settings.journal_bytes, self._positions)
        self.faults = InjectedFaults()
        self.coverage = Coverage()
        self.requests = 0
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self._logged_in: set[str] = set()

    def transaction(self) -> AbstractContextManager[Fork]:
        """A fork of the present world, which replaces it if the block ends without an exception (G-7)."""
        return _Transaction(self)

    def replace(self, moment: Moment, world: World) -> bool:
        """Put another world in the place of a moment's, if that is still the present one, and say whether it was."""
        with self._lock:
            if self.moment is not moment:
                return False
            if world is not moment.world:
                self._enter(Moment(world))
            return True

    def _enter(self, moment: Moment) -> None:
        if moment.world.directory is not self.moment.world.directory:
            # None of them holds any more, and they would keep a directory that nobody needs.
            self.answers = self._no_answers()
        self.moment = moment

    def _no_answers(self) -> RememberedAnswers:
        return RememberedAnswers(grew=self._grew)

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Keep calls of the API from changing anything until the block ends; they are to wait (`is_reserved`)."""
        with self._lock:
            self._reservations += 1
        try:
            yield
        finally:
            with self._lock:
                self._reservations -= 1

    @property
    def is_reserved(self) -> bool:
        """Whether calls of the API that change something have to wait."""
        return self._reservations > 0

    def renewed(self) -> Sandbox:
        """The sandbox that takes the place of this one at a reset: as at its start, but with the snapshots (S-5).

        What came before the reset and is carried out later, as a delayed call is, belongs to this one.
        """
        new = Sandbox(self.name, self.seed, self.settings, self.total, self._positions, self._grew)
        new.created_at, new.last_use, new._snapshots = self.created_at, self.last_use, self._snapshots
        return new

    def end(self) -> None:
        """Let go of what nobody can ask for any more: a delayed call may keep the sandbox for long."""
        self.clear_journal()
        self.answers = self._no_answers()
        self._snapshots = {}

    def record(self, exchange: Exchange | None, counted: Counted | None) -> None:
        """Note a call: in the journal, unless it keeps none, and in the coverage, unless it does not count there."""
        with self._record_lock:
            self.requests += 1
            if exchange is not None:
                self.journal.record(exchange)
            if counted is not None:
                self.coverage.count(counted)
                if self.total is not None:
                    self.total.count(counted)
        self._grew(0 if exchange is None else exchange.size)

    @property
    def calls_bytes(self) -> int:
        """About how many bytes are kept of calls."""
        return self.journal.bytes + self.answers.bytes

    def forget(self, size: int) -> int:
        """Let go of so many bytes that are kept of calls, if there are so many, and say how many it were.

        Remembered answers go first, for they only save time; then the oldest exchanges.
        """
        with self._record_lock:
            freed = self.answers.bytes
            self.answers = self._no_answers()
            return freed + self.journal.forget(size - freed)

    def worlds(self) -> Iterator[World]:
        """The worlds that the sandbox holds on to, the same one perhaps several times."""
        yield self.seed
        yield self.moment.world
        for snapshot in self._snapshots.values():
            yield snapshot.moment.world

    def clear_journal(self) -> None:
        """Forget the exchanges of the journal."""
        with self._record_lock:
            self.journal.clear()

    @property
    def snapshots(self) -> Mapping[str, Snapshot]:
        """The snapshots by name, oldest first."""
        return self._snapshots

    def take_snapshot(self, name: str) -> Snapshot | None:
        """Name the present moment, or answer nothing where there are as many snapshots as there may be (S-3)."""
        with self._lock:
            others = {key: each for key, each in self._snapshots.items() if key != name}
            if len(others) >= self.settings.snapshot_limit:
                return None
            snapshot = Snapshot(name, self.moment)
            self._snapshots = {**others, name: snapshot}
            return snapshot

    def drop_snapshot(self, name: str) -> None:
        """Forget a snapshot."""
        with self._lock:
            self._snapshots = {key: each for key, each in self._snapshots.items() if key != name}

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a moment: the world only (S-5)."""
        with self._lock:
            self._enter(snapshot.moment)

    def open_session(self, account_name: str) -> tuple[str, bool]:
        """A new session id for the account, and whether it is the account's first login in this sandbox (A-3).

        The oldest session ends when there are more than a thousand.
        """
        session_id = secrets.token_hex(16)
        first = account_name not in self._logged_in
        self._logged_in.add(account_name)
        self._sessions[session_id] = account_name
        while len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        return session_id, first

    def find_session(self, session_id: str) -> str | None:
        """The account name of a session that has not ended."""
        return self._sessions.get(session_id)


class _Transaction(AbstractContextManager[Fork]):
    """One change of a sandbox; no generator, which would take twice as long as what it surrounds."""

    __slots__ = ("_fork", "_sandbox")

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def __enter__(self) -> Fork:
        self._sandbox._lock.acquire()
        self._fork = Fork(self._sandbox.moment.world)
        return self._fork

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        sandbox, world = self._sandbox, self._fork.world
        try:
            if kind is None and world is not sandbox.moment.world:
                sandbox._enter(Moment(world))
        finally:
            sandbox._lock.release()

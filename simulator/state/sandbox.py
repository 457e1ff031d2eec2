"""Sandboxes: worlds of their own, each with everything that one test can touch."""

from __future__ import annotations

import itertools
import logging
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from simulator.state.world import Fork, World

logger = logging.getLogger("simulator.sandboxes")

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
DEFAULT = ""
"""The name of the sandbox that answers where none is named."""

REMEMBERED_ANSWERS = 1_000
SESSIONS = 1_000


class Moment:
    """A world and the answers already given from it: since a world never changes, neither does an answer to a GET."""

    __slots__ = ("answers", "world")

    def __init__(self, world: World) -> None:
        self.world = world
        self.answers: dict[object, bytes] = {}

    def remember(self, call: object, answer: bytes) -> None:
        """Keep an answer for as long as the world lasts, unless very many are kept already."""
        if len(self.answers) < REMEMBERED_ANSWERS:
            self.answers[call] = answer


class Sandbox:
    """One world over time, and the login sessions that belong to it.

    Readers take `moment`, without a lock, and see one whole world. Writers go through `transaction`, one after another.
    """

    def __init__(self, name: str, seed: World) -> None:
        self.name = name
        self.seed = seed
        self.last_use = 0
        self._lock = threading.Lock()
        self._start()

    def _start(self) -> None:
        self.moment = Moment(self.seed)
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self._logged_in: set[str] = set()

    @contextmanager
    def transaction(self) -> Iterator[Fork]:
        """A fork of the present world, which replaces it if the block ends without an exception (G-7)."""
        with self._lock:
            fork = Fork(self.moment.world)
            yield fork
            if fork.world is not self.moment.world:
                self.moment = Moment(fork.world)

    def reset(self) -> None:
        """Back to the seed; all sessions end."""
        with self._lock:
            self._start()

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


class Sandboxes:
    """The sandboxes by name. One comes into being, from the baseline, when it is first used.

    The default sandbox always lives. Of the others, `limit` live; beyond that the least recently used one is dropped,
    and the log says so.
    """

    def __init__(self, baseline: World, limit: int = 1_000) -> None:
        self.baseline = baseline
        self.limit = limit
        self.default = Sandbox(DEFAULT, baseline)
        self._named: dict[str, Sandbox] = {}
        self._lock = threading.Lock()
        self._clock = itertools.count(1)

    def sandbox(self, name: str) -> Sandbox:
        """The sandbox of this name, which must match `NAME` or be the default's."""
        if name == DEFAULT:
            return self.default
        sandbox = self._named.get(name) or self._create(name)
        sandbox.last_use = next(self._clock)
        return sandbox

    def _create(self, name: str) -> Sandbox:
        with self._lock:
            sandbox = self._named.setdefault(name, Sandbox(name, self.baseline))
            sandbox.last_use = next(self._clock)
            while len(self._named) > self.limit:
                dropped = min(self._named.values(), key=lambda each: each.last_use).name
                del self._named[dropped]
                logger.warning("sandbox %s dropped: the least recently used of more than %d", dropped, self.limit)
            return sandbox

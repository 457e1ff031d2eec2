"""The sessions of a sandbox: who has logged in, and from which pages."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Collection
from sys import getsizeof
from typing import NamedTuple

SESSIONS = 1_000
SESSION_BYTES = 250
"""About how many bytes a session takes."""
NAME_BYTES = 100
"""About how many bytes it takes, besides the name, to remember an account that has logged in, or an origin."""


class Session(NamedTuple):
    """An open session: the name of its account, and the origin of the page that logged in, if it was a page."""

    account_name: str
    origin: str | None


class Sessions:
    """The newest thousand sessions. Only one thread at a time may open or end some; any may read.

    `admit` is called with the number of bytes that a login adds, and raises `InsufficientMemory` if there is no room
    (S-10). `bytes` is about how many bytes the sessions take.
    """

    def __init__(self, admit: Callable[[int], object] = int) -> None:
        self._admit = admit
        self.bytes = 0
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._logged_in: dict[str, str] = {}
        # How many open sessions each origin has.
        self._origins: dict[str, int] = {}

    def open(self, account_name: str, origin: str | None = None) -> tuple[str, bool]:
        """Return a new session id for the account, and whether this is its first login since the seed (A-3).

        Beyond a thousand sessions, the oldest one ends. Raises what `admit` raises.
        """
        session_id = secrets.token_hex(16)
        first = account_name not in self._logged_in
        is_full = len(self._sessions) >= SESSIONS
        growth = 0 if is_full else SESSION_BYTES
        if first:
            growth += NAME_BYTES + getsizeof(account_name)
        if origin is not None and origin not in self._origins:
            growth += NAME_BYTES + getsizeof(origin)
        if growth:
            self._admit(growth)
            self.bytes += growth
        if is_full:
            self._forget_origin(self._sessions.popitem(last=False)[1].origin)
        # The same text each time: equal names come from different directories.
        self._sessions[session_id] = Session(self._logged_in.setdefault(account_name, account_name), origin)
        if origin is not None:
            self._origins[origin] = self._origins.get(origin, 0) + 1
        return session_id, first

    def find(self, session_id: str) -> str | None:
        """Return the account name of a session, or `None` if there is no such session."""
        session = self._sessions.get(session_id)
        return None if session is None else session.account_name

    def has(self, origin: str) -> bool:
        """Return whether a session is open that a page of this origin has opened (A-8)."""
        return origin in self._origins

    def end(self, session_ids: Collection[str] | None = None) -> int:
        """End these sessions, or all of them. Return how many have ended; unknown ones are not counted (A-9)."""
        ended = 0
        for session_id in list(self._sessions) if session_ids is None else session_ids:
            session = self._sessions.pop(session_id, None)
            if session is not None:
                ended += 1
                self.bytes -= SESSION_BYTES
                self._forget_origin(session.origin)
        return ended

    def _forget_origin(self, origin: str | None) -> None:
        """Note that a session of this origin has ended."""
        if origin is None:
            return
        self._origins[origin] -= 1
        if not self._origins[origin]:
            del self._origins[origin]
            self.bytes -= NAME_BYTES + getsizeof(origin)

"""Frees large worlds in small pieces. If a world were freed at once, all threads would have to wait."""

from __future__ import annotations

import threading
import time
import weakref
from functools import cache
from queue import SimpleQueue

SMALL = 1_000
"""Up to this many parts are freed at once, because that is quick."""
PIECE, REST_SECONDS = 200, 0.001
"""How many parts the thread frees at a time, and how long it then rests so that other threads can work."""


def outlive(owner: object, parts: list[object]) -> None:
    """Keep the parts until the owner is gone. A thread then frees them in small pieces. Few parts are not kept.

    The parts are what makes the owner large, for example the users of a directory. Other objects may hold them too.
    """
    if len(parts) > SMALL:
        weakref.finalize(owner, _leftovers().put, parts).atexit = False


@cache
def _leftovers() -> SimpleQueue[list[object]]:
    """Return the queue of parts to free. The first call starts the thread that empties it."""
    leftovers: SimpleQueue[list[object]] = SimpleQueue()
    threading.Thread(target=_free, args=(leftovers,), name="apio-simulator-release", daemon=True).start()
    return leftovers


def _free(leftovers: SimpleQueue[list[object]]) -> None:
    while True:
        parts = leftovers.get()
        while parts:
            del parts[-PIECE:]
            time.sleep(REST_SECONDS)

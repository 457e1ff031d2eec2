"""Frees large worlds in small pieces. To free one in one piece would stop all threads until that is done."""

from __future__ import annotations

import threading
import time
import weakref
from functools import cache
from queue import SimpleQueue

SMALL = 1_000
"""So few parts are freed so quickly that nobody notices."""
PIECE, REST_SECONDS = 200, 0.001
"""The thread frees so many parts, then rests for so long, so that other threads can work."""


def outlive(owner: object, parts: list[object]) -> None:
    """Keep the parts until the owner is gone. A thread then frees them in small pieces. Few parts are not kept.

    The parts are what makes the owner large, for example the users of a directory. Other objects may hold them too.
    """
    if len(parts) > SMALL:
        weakref.finalize(owner, _leftovers().put, parts).atexit = False


@cache
def _leftovers() -> SimpleQueue[list[object]]:
    """The queue of what is to be freed. The first call starts the thread that empties it."""
    leftovers: SimpleQueue[list[object]] = SimpleQueue()
    threading.Thread(target=_free, args=(leftovers,), name="apio-simulator-release", daemon=True).start()
    return leftovers


def _free(leftovers: SimpleQueue[list[object]]) -> None:
    while True:
        parts = leftovers.get()
        while parts:
            del parts[-PIECE:]
            time.sleep(REST_SECONDS)

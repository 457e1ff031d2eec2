"""How large worlds are let go of: piece by piece, for to free one as a whole would stop all threads for as long."""

from __future__ import annotations

import threading
import time
import weakref
from functools import cache
from queue import SimpleQueue

SMALL = 1_000
"""Up to how many parts are freed in no time."""
PIECE, REST_SECONDS = 200, 0.001
"""How many parts are let go of at once, and how long other threads have their turn then."""


def outlive(owner: object, parts: list[object]) -> None:
    """Keep the parts until the owner is gone, and then let a thread free them, unless they are few.

    The parts are those that make the owner large. Others may hold them too.
    """
    if len(parts) > SMALL:
        weakref.finalize(owner, _leftovers().put, parts).atexit = False


@cache
def _leftovers() -> SimpleQueue[list[object]]:
    """What waits to be freed, by a thread that starts when it is first asked for. The queue may be fed at any time."""
    leftovers: SimpleQueue[list[object]] = SimpleQueue()
    threading.Thread(target=_free, args=(leftovers,), name="apio-simulator-release", daemon=True).start()
    return leftovers


def _free(leftovers: SimpleQueue[list[object]]) -> None:
    while True:
        parts = leftovers.get()
        while parts:
            del parts[-PIECE:]
            time.sleep(REST_SECONDS)

"""A process that only serves: its signals, its open files and its garbage collection."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import sys
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    from simulator.server.server import Server

SWITCH_SECONDS = 0.00005
"""How long a worker thread may compute before the loop's thread has its turn.

The loop's thread gives up its turn with each system call. With a hundred calls, it waits a hundred times as long.
"""

SIGNAL_SECONDS = 0.5
"""How long it may take until Ctrl-C is noticed on Windows."""

CONNECTIONS = 1_000 if hasattr(select, "poll") else 500
"""How many connections may be open at a time. Windows only has `select`, which watches at most 512."""
OTHER_FILES = 32
"""How many files stay free for other uses if the process may not open many."""

FULL = 2
"""The generation of a garbage collection that looks at all objects."""
THRESHOLDS = (700, 10, 2)
"""How often garbage is collected, as `gc.set_threshold` takes it. A full collection sees about 20,000 objects."""


HANG_UP: int | None = getattr(signal, "SIGHUP", None)
"""The signal SIGHUP. Windows does not have it."""


def run_until_stopped(
    server: Server,
    ready: Callable[[], None],
    hang_up: Callable[[], object] = int,
    tick: Callable[[], object] = int,
) -> signal.Signals:
    """Serve until SIGTERM or Ctrl-C, and return the signal. `ready` is called once the server answers.

    `hang_up` is called at each SIGHUP, and `tick` after it and every `SIGNAL_SECONDS`. If SIGHUP comes because the
    terminal was closed, it stops the server, unless that was started with `nohup`.
    """
    # A threading.Event can deadlock if a signal handler sets it while `wait` begins. This queue is reentrant.
    received: SimpleQueue[int] = SimpleQueue()
    # `nohup` lets a process ignore SIGHUP, so that it outlives its terminal.
    outlives = HANG_UP is not None and signal.getsignal(HANG_UP) is signal.SIG_IGN
    had_terminal = has_terminal()
    for number in filter(None, (signal.SIGTERM, signal.SIGINT, HANG_UP)):
        signal.signal(number, lambda number, _: received.put(number))
    # The loop's thread should not wait long for a worker thread.
    sys.setswitchinterval(SWITCH_SECONDS)
    collect_in_pieces()
    server.start()
    ready()
    while True:
        # On Windows before Python 3.14, Ctrl-C does not interrupt a wait without a timeout.
        with contextlib.suppress(Empty):
            number = received.get(timeout=SIGNAL_SECONDS)
            if number != HANG_UP:
                break
            if had_terminal and not has_terminal():
                if not outlives:
                    break
                # Its terminal was closed: nobody has sent this signal on purpose.
                had_terminal = False
            else:
                hang_up()
        tick()
    server.stop()
    return signal.Signals(number)


def has_terminal() -> bool:
    """Return whether a terminal controls this process."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY))
    except OSError:
        return False
    return True


def allow_files() -> None:
    """Raise the process's limit of open files to what a server's connections need, as far as allowed."""
    # Windows has no such limit.
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = CONNECTIONS + OTHER_FILES
        if -1 < soft < needed:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed if hard < 0 else min(needed, hard), hard))


def most_connections() -> int:
    """Returns how many connections the limit of open files allows."""
    if sys.platform != "win32":
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if most >= 0:
            return max(1, min(CONNECTIONS, most - OTHER_FILES))
    return CONNECTIONS


def collect_in_pieces() -> None:
    """Keep each garbage collection short: objects that survive a full one are not looked at again.

    All threads wait during a garbage collection. A world has very many objects, but it is never cyclic garbage: it is
    freed when nothing refers to it any more. Use this only in a process that does nothing but serve.
    """
    gc.set_threshold(*THRESHOLDS)
    gc.callbacks.append(_spare_survivors)


def _spare_survivors(phase: str, info: Mapping[str, int]) -> None:
    if phase == "stop" and info["generation"] == FULL:
        gc.freeze()

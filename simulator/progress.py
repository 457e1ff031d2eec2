"""Shows the progress of long work on a terminal."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

Progress = Callable[[str, float | None], None]
"""Called from time to time with the present step, and the fraction that is done, if known."""

DELAY_SECONDS = 1.0
"""How long work takes before its progress is shown."""
INTERVAL_SECONDS = 0.2


def unseen(_: str, __: float | None) -> None:
    """Show no progress."""


@contextmanager
def shown(name: str, stream: TextIO | None) -> Iterator[Progress]:
    """Show the progress in one line of a terminal until the block ends. If the stream is no terminal, show nothing."""
    if stream is None or stream.closed or not stream.isatty():
        yield unseen
        return
    line = _Line(name, stream)
    line.thread.start()
    try:
        yield line.report
    finally:
        line.ended.set()
        line.thread.join()


class _Line:
    """A line of a terminal. Its own thread writes it, so that the work never waits for the terminal."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self.name = name
        self.stream = stream
        self.text = name
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.write, daemon=True)

    def report(self, stage: str, fraction: float | None) -> None:
        done = "" if fraction is None else f" {fraction:.0%}"
        self.text = f"{self.name}: {stage}{done} …"

    def write(self) -> None:
        wait, width = DELAY_SECONDS, 0
        # The work goes on if the terminal is closed or cannot show the name.
        try:
            while not self.ended.wait(wait):
                text = self.text[: shutil.get_terminal_size().columns - 1]
                self.stream.write(f"\r{text.ljust(width)}")
                self.stream.flush()
                wait, width = INTERVAL_SECONDS, len(text)
            self.stream.write(f"\r{' ' * width}\r" if width else "")
            self.stream.flush()
        except (OSError, ValueError):
            pass

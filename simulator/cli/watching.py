"""Reads the fixture of a running server again, when the file changes or when somebody asks for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from simulator.cli.fixtures import counts
from simulator.document import MOST_THOROUGHLY, read_document
from simulator.errors import BrokenDocument, InsufficientMemory, Problem
from simulator.fixture.fixtures import Fixtures
from simulator.fixture.folder import fixture_file
from simulator.state.memory import weigh
from simulator.state.sandboxes import Sandboxes

logger = logging.getLogger("simulator.fixture")

Stamp = tuple[Path, int, int, int]
"""What shows that a file has changed: its path, its identity, its size, and when it was written."""


def stamp_of(path: Path) -> Stamp | None:
    """Returns the stamp of a fixture, or of the fixture of a folder. `None` if it is not there, or unclear which it is.

    An editor may write the file or replace it by another one. Both change the stamp.
    """
    try:
        file = fixture_file(path)
        status = file.stat()
    except (BrokenDocument, OSError):
        return None
    return file, status.st_ino, status.st_size, status.st_mtime_ns


def size_of(file: Path) -> int:
    """Returns the size of a fixture. Raises `BrokenDocument` if it cannot be read, or is no file.

    Reading from a pipe would wait for its writer, and a device may have no end.
    """
    try:
        status = file.stat()
    except OSError as error:
        raise BrokenDocument([Problem(str(file), f"cannot be read: {error.strerror or error}")]) from None
    if not S_ISREG(status.st_mode) and not S_ISDIR(status.st_mode):
        raise BrokenDocument([Problem(str(file), "is no file")])
    return status.st_size


class FixtureReader:
    """Reads the fixture at `path` again: if it is `watched` and changes, or after `ask`.

    A valid one becomes the server's seed at once (`Sandboxes.replace_baseline`). If anything is wrong with it, the log
    has all reasons, and nothing changes. `carry_out` does the reading in another thread. `known` is the stamp of the
    fixture that the server has. Except for the reading, everything happens in one thread.
    """

    def __init__(
        self,
        path: Path,
        known: Stamp | None,
        fixtures: Fixtures,
        sandboxes: Sandboxes,
        carry_out: Callable[[Callable[[], object]], object],
        *,
        watched: bool,
    ) -> None:
        self.path = path
        self.fixtures = fixtures
        self.sandboxes = sandboxes
        self.watched = watched
        self._carry_out = carry_out
        self._known = self._seen = known
        self._is_asked = False
        self._is_reading = False

    def ask(self) -> None:
        """Let the next `poll` read the fixture, even if it has not changed."""
        self._is_asked = True

    def poll(self) -> None:
        """Read the fixture again if there is a reason. Called from time to time.

        A file that has changed is read once it has stayed the same between two calls: its editor may still be writing.
        """
        if self._is_reading or not (self.watched or self._is_asked):
            return
        stamp = stamp_of(self.path)
        is_quiet, self._seen = stamp == self._seen, stamp
        if self._is_asked or (is_quiet and stamp != self._known):
            self._is_asked = False
            self._is_reading = True
            self._known = stamp
            self._carry_out(self._read)

    def _read(self) -> None:
        try:
            self._replace()
        except BrokenDocument as broken:
            self._refuse(broken.problems)
        except InsufficientMemory as refusal:
            self._refuse(f"{fault.reason} ({fault.rule})" for fault in refusal.faults)
        except Exception:
            # The worker thread goes on with other calls.
            logger.exception("the fixture %s could not be read again", self.path)
        finally:
            self._is_reading = False

    def _replace(self) -> None:
        """Read the fixture, and let the sandboxes start from it. Raises `BrokenDocument` or `InsufficientMemory`."""
        file = fixture_file(self.path)
        memory = self.sandboxes.memory
        with memory.room(size_of(file)):
            document = read_document(file, most_thoroughly=MOST_THOROUGHLY)
        with memory.room(weigh(document.data, memory.settings.arranged_limit)):
            world = self.fixtures.world_of_document(document)
            is_reset = self.sandboxes.replace_baseline(world)
        default = "was reset to it" if is_reset else "keeps the seed of its own"
        logger.info(
            "the fixture %s was read again: %s; the sandbox 'default' %s, others take it at their next reset",
            *(file, counts(world.directory), default),
        )

    def _refuse(self, reasons: Iterable[object]) -> None:
        logger.error("the fixture %s was read again, but cannot be taken. The server keeps the old one:", self.path)
        for reason in reasons:
            logger.error("%s", reason)

"""The ledger of a run: what a run may have changed in a laboratory, on disk before the request is sent."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

VERSION = 1


class BrokenLedger(Exception):
    """A file is no ledger of a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """Something that the run creates, or may create: its collection, its name, and its own path, both encoded.

    It is undone by a DELETE, and proved by a GET that answers 404.
    """

    collection: str
    name: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something of others that the run changes: its path, and what it was.

    It is undone by a PUT of `body`, and proved by a GET that answers `content`, as it did before.
    """

    path: str
    body: Any
    content: Any


Entry = Creation | Change


@dataclass(slots=True)
class RunLedger:
    """The entries of a run by their paths, oldest first, and the file that they are in.

    The first line of the file holds `about`: what `--clean` needs to know of the run. Each other line holds an entry,
    or says that one is undone. A line is on the disk before `add` returns. Without a `file`, the run may not write.
    """

    about: Mapping[str, Any]
    file: Path | None = None
    entries: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def begin(cls, file: Path, about: Mapping[str, Any]) -> Self:
        """Return an empty ledger in a new file that only its owner can read. Raises `OSError`."""
        ledger = cls(about, file)
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            ledger._append({"version": VERSION, **about})
        except OSError:
            file.unlink(missing_ok=True)
            raise
        return ledger

    @classmethod
    def read(cls, file: Path) -> Self:
        """Return the ledger of a file. A last line that was cut off is left out: its request was never sent.

        Raises `OSError` or `BrokenLedger`.
        """
        raw = file.read_bytes()
        whole, _, _ = raw.rpartition(b"\n")
        try:
            about, *lines = [orjson.loads(line) for line in whole.splitlines()]
            if about.pop("version") != VERSION:
                raise BrokenLedger(f"{file} is of another version")
            ledger = cls(about, file)
            for line in lines:
                if "undone" in line:
                    ledger.entries.pop(line["undone"], None)
                else:
                    kind = Creation if "name" in line else Change
                    entry = kind(**line)
                    if not all(isinstance(line[each], str) for each in ("path", "name", "collection") if each in line):
                        raise TypeError("a path and a name are texts")
                    ledger.entries[entry.path] = entry
        except (ValueError, TypeError, KeyError, AttributeError):
            raise BrokenLedger(f"{file} is no ledger of a run") from None
        return ledger

    def add(self, entry: Entry) -> None:
        """Write down what a request may change, before the request. Raises `OSError`."""
        known = self.entries.get(entry.path)
        if known is not None and (isinstance(known, Change) or known == entry):
            return  # Only what was there before the run counts, not later values.
        self._append({name: getattr(entry, name) for name in type(entry).__dataclass_fields__})
        self.entries[entry.path] = entry

    def undone(self, path: str) -> None:
        """Note that an entry is undone, and that this was proved."""
        # If the disk is full, the file names more than is left. Undoing it once more does no harm.
        with suppress(OSError):
            self._append({"undone": path})
        del self.entries[path]

    def newest_first(self) -> Iterator[Entry]:
        """Yield the entries that are not undone."""
        return reversed(list(self.entries.values()))

    def end(self) -> None:
        """Remove the file if everything is undone."""
        if self.file is not None and not self.entries:
            self.file.unlink(missing_ok=True)

    def _append(self, line: Mapping[str, Any]) -> None:
        if self.file is None:
            raise OSError("this run has no ledger, so it may not write")
        raw = orjson.dumps(line) + b"\n"
        with open(os.open(self.file, os.O_WRONLY | os.O_APPEND), "ab", buffering=0) as stream:
            start = stream.tell()
            try:
                if stream.write(raw) < len(raw):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.file))
                os.fsync(stream.fileno())
            except BaseException:
                # A part of a line would spoil the next one.
                stream.truncate(start)
                raise

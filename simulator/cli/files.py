"""Writes files that are whole, or not there."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from simulator.cli.output import fail


def write_whole(file: str, parts: Iterable[bytes], *, force: bool) -> None:
    """Write a file in one step. A link stays one. If that fails, end the command with a message."""
    path = Path(os.path.realpath(file))
    try:
        _check(path, force=force)
        _write(path, parts, force=force)
    except FileExistsError as error:
        fail(f"{file}: {error}")
    except OSError as error:
        fail(f"{file}: cannot be written: {error.strerror or error}")


def check_free(file: str, *, force: bool) -> None:
    """End the command with a message if the file exists, unless it may be replaced, or if its folder does not."""
    path = Path(os.path.realpath(file))
    try:
        _check(path, force=force)
    except FileExistsError as error:
        fail(f"{file}: {error}")
    if not path.parent.is_dir():
        fail(f"{file}: cannot be written: {os.strerror(2)}")


def _write(path: Path, parts: Iterable[bytes], *, force: bool) -> None:
    new = path.with_name(f".apio-simulator-{secrets.token_hex(4)}.tmp")
    try:
        with new.open("xb") as stream:
            stream.writelines(parts)
            stream.flush()
            os.fsync(stream.fileno())
        # Another program may have written it meanwhile.
        _check(path, force=force)
        os.replace(new, path)
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)


def _check(path: Path, *, force: bool) -> None:
    if path.exists() and not path.is_file():
        raise FileExistsError("exists already, and is no file that could be replaced")
    if path.exists() and not force:
        raise FileExistsError("exists already; replace it with --force, or choose another name")

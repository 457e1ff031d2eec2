"""The command that writes a fixture to begin with."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from simulator.cli.output import example, fail
from simulator.fixture.sample import MOST_USERS, sample_fixture


@click.command(epilog=example("init first.yaml", "init --users 1000 large.yaml"))
@click.option(
    "--users", default=10, show_default=True, type=click.IntRange(1, MOST_USERS), help="How many users it has."
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.argument("file", type=click.Path(readable=False, allow_dash=True))
def init(users: int, force: bool, file: str) -> None:
    """Write a fixture with comments, to start your own from.

    It has groups, users with all services, and an account of each level. The same number of users always gives the
    same text. FILE is the file to write, or - for standard output.
    """
    parts = (part.encode() for part in sample_fixture(users))
    if file == "-":
        sys.stdout.buffer.writelines(parts)
        sys.stdout.buffer.flush()
        return
    try:
        _write(Path(os.path.realpath(file)), parts, force=force)
    except FileExistsError as error:
        fail(f"{file}: {error}")
    except OSError as error:
        fail(f"{file}: cannot be written: {error.strerror or error}")


def _write(path: Path, parts: Iterable[bytes], *, force: bool) -> None:
    """Write a file in one step, so that it is whole. Raises `OSError`, also if it may not be replaced."""
    _check(path, force=force)
    new = path.with_name(f".apio-simulator-{secrets.token_hex(4)}.tmp")
    try:
        with new.open("xb") as stream:
            stream.writelines(parts)
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

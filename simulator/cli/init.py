"""The command that writes a fixture to begin with."""

from __future__ import annotations

import sys

import click

from simulator.cli.files import write_whole
from simulator.cli.output import example
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
    write_whole(file, parts, force=force)

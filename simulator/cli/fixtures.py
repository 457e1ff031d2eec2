"""The command that checks fixtures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simulator.cli.output import example, fail

if TYPE_CHECKING:
    from simulator.directory import Directory
    from simulator.fixture.fixtures import Fixtures
    from simulator.state.world import World


@click.command(epilog=example("validate my-fixture.yaml"))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False))
def validate(files: tuple[Path, ...]) -> None:
    """Check fixtures, and list everything that is wrong with them. In a folder, check the one that `serve` takes."""
    from simulator.app import standard_simulation
    from simulator.errors import BrokenDocument
    from simulator.fixture.folder import fixture_file

    try:
        fixtures = standard_simulation().fixtures
    except BrokenDocument as broken:
        fail(broken)
    failed = False
    for path in files:
        try:
            file = fixture_file(path)
            click.echo(f"{file}: {counts(read_fixture(fixtures, file).directory)}")
        except BrokenDocument as broken:
            failed = True
            click.echo(broken, err=True)
    sys.exit(2 if failed else 0)


def read_fixture(fixtures: Fixtures, file: Path, *, with_progress: bool = True) -> World:
    """Returns the world of a fixture file. Shows the progress on a terminal, if wanted. Raises `BrokenDocument`."""
    from simulator.progress import shown

    with shown(str(file), sys.stderr if with_progress else None) as progress:
        return fixtures.world_of_file(file, progress)


def counts(directory: Directory) -> str:
    """Returns the numbers of tenants, groups, users and accounts in a directory, as text."""
    groups = [group for tenant in directory.tenants.values() for group in tenant.groups.values()]
    users = sum(len(group.users) for group in groups)
    numbers = {
        "tenant": len(directory.tenants),
        "group": len(groups),
        "user": users,
        "account": len(directory.accounts),
    }
    return ", ".join(f"{number} {noun}{'' if number == 1 else 's'}" for noun, number in numbers.items())

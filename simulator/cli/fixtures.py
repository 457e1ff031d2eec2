"""The commands about fixtures as such: one checks them, one prints their JSON Schema."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from simulator.cli.output import example, fail, show
from simulator.reports.text import printable

if TYPE_CHECKING:
    from typing import BinaryIO

    from simulator.directory import Directory
    from simulator.errors import Problem
    from simulator.fixture.fixtures import Fixtures
    from simulator.state.world import World

FORMATS = ("text", "json", "github")
STANDARD_INPUT = "<stdin>"
"""The name of standard input in messages."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A fixture that was checked: what it holds if it is valid, or else everything that is wrong with it."""

    file: str
    directory: Directory | None
    problems: tuple[Problem, ...] = ()


@click.command(epilog=example("validate my-fixture.yaml", "validate my-fixture.yaml --format github"))
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--format",
    "shape",
    default="text",
    show_default=True,
    type=click.Choice(FORMATS),
    help="How to report: github is for annotations of a pull request.",
)
def validate(files: tuple[str, ...], shape: str) -> None:
    """Check fixtures, and list everything that is wrong with them.

    FILE is a YAML or JSON file, a folder whose fixtures are all checked, or - for standard input. The format `github`
    shows each problem beside its line in a pull request. Exits with 2 if there is a problem.
    """
    from simulator.app import standard_simulation
    from simulator.errors import BrokenDocument

    try:
        fixtures = standard_simulation().fixtures
    except BrokenDocument as broken:
        fail(broken)
    checked = []
    for each in _checked(fixtures, files):
        checked.append(each)
        if shape == "github":
            for problem in each.problems:
                click.echo(annotation(problem))
        elif shape == "text" and each.directory is not None:
            click.echo(printable(f"{each.file}: {counts(each.directory)}"))
        elif shape == "text":
            click.echo("\n".join(printable(str(problem)) for problem in each.problems), err=True)
    failed = any(each.problems for each in checked)
    if shape == "json":
        show(json.dumps(report(checked), ensure_ascii=False, indent=2), shape)
    else:
        click.echo(summary(checked), err=failed and shape == "text")
    sys.exit(2 if failed else 0)


@click.command(epilog=example("schema"))
def schema() -> None:
    """Print the JSON Schema of fixtures, for editors: they check and complete fixtures with it."""
    from simulator.app import shipped

    click.echo(shipped("fixtures/fixture.schema.json").read_bytes(), nl=False)


def _checked(fixtures: Fixtures, files: Iterable[str]) -> Iterator[Checked]:
    """Yields the result for each fixture in files and folders, as soon as it is there."""
    from simulator.errors import BrokenDocument
    from simulator.fixture.folder import fixture_files

    for file in dict.fromkeys(files):
        try:
            paths = [None] if file == "-" else fixture_files(Path(file))
        except BrokenDocument as broken:
            yield Checked(file, None, broken.problems)
            continue
        for path in paths:
            name = STANDARD_INPUT if path is None else str(path)
            try:
                world = read_fixture(fixtures, path)
            except BrokenDocument as broken:
                yield Checked(name, None, broken.problems)
            else:
                yield Checked(name, world.directory)


def read_fixture(fixtures: Fixtures, file: Path | None, *, with_progress: bool = True) -> World:
    """Returns the world of a fixture file, or of standard input. Shows the progress on a terminal, if wanted.

    Raises `BrokenDocument`.
    """
    from simulator.progress import shown

    name = STANDARD_INPUT if file is None else str(file)
    with shown(name, sys.stderr if with_progress else None) as progress:
        if file is not None:
            return fixtures.world_of_file(file, progress)
        return fixtures.world_of_stream(name, standard_input(), progress)


def standard_input() -> BinaryIO:
    """Returns standard input, for a fixture. Raises `BrokenDocument` if it is closed."""
    from simulator.errors import BrokenDocument, Problem

    # Python has none if the process was started without it.
    if sys.stdin is None:
        raise BrokenDocument([Problem(STANDARD_INPUT, "cannot be read: it is closed")])
    return sys.stdin.buffer


def numbers(directory: Directory) -> dict[str, int]:
    """Returns how many tenants, groups, users and accounts a directory has, by these words in the singular."""
    groups = [group for tenant in directory.tenants.values() for group in tenant.groups.values()]
    return {
        "tenant": len(directory.tenants),
        "group": len(groups),
        "user": sum(len(group.users) for group in groups),
        "account": len(directory.accounts),
    }


def counts(directory: Directory) -> str:
    """Returns the numbers of tenants, groups, users and accounts in a directory, as text."""
    return ", ".join(_counted(number, noun) for noun, number in numbers(directory).items())


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def summary(checked: list[Checked]) -> str:
    """Returns the last line of a report: `valid`, or how many problems are in how many files."""
    from simulator.errors import MOST_FAULTS

    problems = sum(min(len(each.problems), MOST_FAULTS) for each in checked)
    if not problems:
        return "valid"
    more = "more than " if any(len(each.problems) > MOST_FAULTS for each in checked) else ""
    return f"{_counted(len(checked), 'file')}, {more}{_counted(problems, 'problem')}"


def annotation(problem: Problem) -> str:
    """Returns a problem as a command of GitHub Actions, which shows it beside its line."""
    place = {"file": problem.file, "line": problem.line, "col": problem.column}
    if problem.file == STANDARD_INPUT:
        place = {}
    where = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in place.items() if value is not None)
    rule = "" if problem.rule is None else f" ({problem.rule})"
    message = f"{problem.pointer}: {problem.message}" if problem.pointer else problem.message
    return f"::error{' ' + where if where else ''}::{_escaped(message + rule)}"


def _escaped(value: object, also: str = "") -> str:
    """Returns a text as it must stand in a command of GitHub Actions."""
    return "".join(f"%{ord(each):02X}" if each in f"%\r\n{also}" else each for each in str(value))


def report(checked: list[Checked]) -> dict[str, object]:
    """Returns the result as JSON types. What is not known of a problem's place is left out."""
    return {
        "valid": not any(each.problems for each in checked),
        "files": [
            {
                "file": each.file,
                "valid": each.directory is not None,
                **({f"{noun}s": number for noun, number in numbers(each.directory).items()} if each.directory else {}),
                "problems": [
                    {key: value for key, value in asdict(problem).items() if key != "file" and value is not None}
                    for problem in each.problems
                ],
            }
            for each in checked
        ],
    }

"""The commands that show reports: the coverage, the error catalogue and the rules."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.cli import completion
from simulator.cli.client import answers, at_servers
from simulator.cli.output import as_json, example, fail, format_option, show

if TYPE_CHECKING:
    from simulator.progress import Progress

PER_CENT = click.FloatRange(0, 100)


@click.command(
    epilog=example(
        "coverage --sandbox '*' --fail-under 80",
        "coverage --merge job-1.json job-2.json --format junit",
        "coverage --sandbox '*' --url http://replica-1:4080 --url http://replica-2:4080",
    )
)
@format_option("junit", "html", use="json is for --merge, junit for a CI server, html for a browser.")
@click.option("--merge", is_flag=True, help="Add up FILES written with --format json, such as those of parallel jobs.")
@click.option("--fail-under", type=PER_CENT, help="Exit with 1 if fewer operations were called, in %; for a CI job.")
@click.option("--fail-under-statuses", type=PER_CENT, help="Exit with 1 if fewer documented statuses were seen, in %.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@at_servers
def coverage(
    shape: str,
    merge: bool,
    files: tuple[Path, ...],
    fail_under: float | None,
    fail_under_statuses: float | None,
    urls: tuple[str, ...],
    control_token: str | None,
    sandbox: str,
) -> None:
    """Show which operations and statuses the clients of a sandbox have used. --sandbox '*' means all sandboxes."""
    from simulator.progress import shown
    from simulator.reports.coverage import FORMATS, merged, percentage

    if merge != bool(files):
        raise click.UsageError("--merge goes with the files to add up, and files with --merge")
    if merge:
        with shown("coverage", sys.stderr) as progress:
            coverages = _saved_coverages(files, progress)
            progress("adding up", None)
            answer = merged(coverages)
    else:
        everything = {"sandbox": "*"} if sandbox == "*" else {}
        name = "default" if everything else sandbox
        first, *others = answers(urls, control_token, name, "coverage", everything).values()
        answer = merged([first, *others]) if others else first
    show(FORMATS[shape](answer), shape)
    failed = False
    wanted = {"operations": (fail_under, "were called"), "statuses": (fail_under_statuses, "were seen")}
    for what, (least, word) in wanted.items():
        found = percentage(answer, what)
        # Written with `not`, so that NaN is never enough.
        if least is not None and not found >= least:
            failed = True
            click.echo(f"apio-simulator: {found:.1f} % of the {what} {word}, not {least:g} %", err=True)
    sys.exit(1 if failed else 0)


def _saved_coverages(files: Sequence[Path], progress: Progress) -> list[Any]:
    """Returns the coverages in files. Exits if one does not have the shape that the contract states."""
    from simulator.app import standard_simulation

    schema = standard_simulation().control_contract.operations["getCoverage"].answers[HTTPStatus.OK]
    coverages: list[Any] = []
    for file in files:
        progress(f"reading {file.name}", len(coverages) / len(files))
        try:
            coverages.append(json.loads(file.read_bytes()))
        except OSError as error:
            fail(f"{file}: cannot be read: {error.strerror or error}")
        except (ValueError, RecursionError):
            fail(f"{file}: holds no coverage; write one with: apio-simulator coverage --format json")
        _, faults = schema.read_what_is_valid(coverages[-1]) if schema is not None else ((), [])
        if faults:
            fail(f"{file}: holds no coverage: {faults[0].pointer or 'it'} {faults[0].reason}")
    return coverages


@click.command(epilog=example("errors createCallCapacity", "errors --format json"))
@click.argument("operation", required=False, shell_complete=completion.operations)
@format_option("html", use="json is for programs, html for a browser.")
def errors(operation: str | None, shape: str) -> None:
    """Show all refusals, or those of one operation.

    For each one, show the smallest request that causes it, and the answer. This needs no server.
    """
    from simulator.app import standard_simulation
    from simulator.errors import BrokenDocument, Refusal
    from simulator.reports.errors import FORMATS

    try:
        show(FORMATS[shape](standard_simulation().errors(operation)), shape)
    except BrokenDocument as broken:
        fail(broken)
    except Refusal as refusal:
        raise click.UsageError(str(refusal)) from None


@click.command(epilog=example("rule CC-7", "rule"))
@click.argument("rule_id", required=False, metavar="[RULE]", shell_complete=completion.rules)
@format_option()
def rule(rule_id: str | None, shape: str) -> None:
    """Show a rule of the simulator, or list all rules.

    Of one rule, show its statement, what it rests on, the choices of profiles, the operations that follow it, and
    requests that it refuses. This needs no server.
    """
    from simulator.app import standard_simulation
    from simulator.errors import BrokenDocument, Refusal
    from simulator.reports.rules import list_text, rule_text

    try:
        simulation = standard_simulation()
        answer = simulation.rules() if rule_id is None else simulation.rule(rule_id)
    except BrokenDocument as broken:
        fail(broken)
    except Refusal as refusal:
        raise click.UsageError(str(refusal)) from None
    text = list_text if rule_id is None else rule_text
    show(as_json(answer) if shape == "json" else text(answer), shape)

"""The commands that show reports: the coverage and the error catalogue."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click

from simulator.cli.client import at_server, connected
from simulator.cli.output import fail, show

COVERAGE_FORMATS = ("text", "json", "junit", "html")
ERROR_FORMATS = ("text", "json", "html")
PER_CENT = click.FloatRange(0, 100)


@click.command()
@at_server
@click.option("--format", "shape", default="text", show_default=True, type=click.Choice(COVERAGE_FORMATS))
@click.option("--merge", is_flag=True, help="Add up FILES written with --format json, without a server.")
@click.option("--fail-under", type=PER_CENT, help="Exit with 1 if fewer operations were called, in %.")
@click.option("--fail-under-statuses", type=PER_CENT, help="Exit with 1 if fewer documented statuses were seen, in %.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def coverage(
    shape: str,
    merge: bool,
    files: tuple[Path, ...],
    fail_under: float | None,
    fail_under_statuses: float | None,
    **server: Any,
) -> None:
    """Show which operations and statuses the clients of a sandbox have exercised. --sandbox '*' means all sandboxes."""
    from simulator.reports.coverage import FORMATS, merged, percentage

    if merge != bool(files):
        raise click.UsageError("--merge goes with the files to add up, and files with --merge")
    if merge:
        answer = merged(_saved_coverages(files))
    else:
        everything = {"sandbox": "*"} if server["sandbox"] == "*" else {}
        with connected(**{**server, "sandbox": "default"} if everything else server) as client:
            answer = client.get("coverage", everything)
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


def _saved_coverages(files: Iterable[Path]) -> list[Any]:
    """Returns the coverages in files. Exits if one does not have the shape that the contract states."""
    from simulator.app import standard_simulation

    schema = standard_simulation().control_contract.operations["getCoverage"].answers[HTTPStatus.OK]
    coverages = []
    for file in files:
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


@click.command()
@click.argument("operation", required=False)
@click.option("--format", "shape", default="text", show_default=True, type=click.Choice(ERROR_FORMATS))
def errors(operation: str | None, shape: str) -> None:
    """Show all refusals, or those of one operation. For each one, show a request that causes it, and the answer."""
    from simulator.app import standard_simulation
    from simulator.errors import BrokenDocument, Refusal
    from simulator.reports.errors import FORMATS

    try:
        show(FORMATS[shape](standard_simulation().errors(operation)), shape)
    except BrokenDocument as broken:
        fail(broken)
    except Refusal as refusal:
        raise click.UsageError(str(refusal)) from None

"""The command that compares the simulator with a laboratory."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from simulator.cli.files import check_free
from simulator.cli.lab import connection_options, users_option
from simulator.cli.output import example, fail, format_option, show

if TYPE_CHECKING:
    from simulator.app import Simulation
    from simulator.lab.client import LabClient
    from simulator.lab.credentials import Credentials
    from simulator.lab.plan import Plan
    from simulator.lab.run import Run
    from simulator.lab.verdicts import Verdicts

CONTRADICTED, NOT_TRUSTWORTHY = 2, 1
"""The exit statuses, besides 0 if nothing was contradicted."""
MOST_REQUESTS = 1000


@click.command(
    epilog=example(
        "conform --against https://lab.example.com --tenant foo --group foogroup --dry-run",
        "conform --against https://lab.example.com --tenant foo --group foogroup --profile lab.yaml",
    )
)
@click.option("--against", required=True, metavar="URL", help="The address of the real system.")
@click.option("--tenant", default="", metavar="ID", help="The tenant to look at.")
@click.option("--group", "groups", multiple=True, metavar="ID", help="A group to look at; give it again for more.")
@users_option
@click.option(
    "--fresh-user", default="", metavar="ID", help="A user whose settings nobody has changed; they are only read."
)
@click.option(
    "--create",
    is_flag=True,
    help="In the first group that has call capacities, create some, change them, and delete them.",
)
@click.option(
    "--scratch-group", default="", metavar="ID", help="A group whose capacities may be changed and are put back."
)
@click.option("--scratch-user", default="", metavar="ID", help="A user whose settings may be changed and are put back.")
@click.option("--confirm", default="", metavar="HOST", help="The host of the address; nothing is written without it.")
@click.option("--dry-run", is_flag=True, help="Print every request, and send none.")
@click.option(
    "--clean",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Undo what an earlier run has left, by the ledger that it wrote.",
)
@connection_options(MOST_REQUESTS)
@click.option(
    "--timeout",
    default=30.0,
    show_default=True,
    type=click.FloatRange(min=0.01),
    help="How many seconds an answer may take.",
)
@click.option("--name", "system", default="laboratory", show_default=True, help="What the report calls the system.")
@format_option("html", use="json is for programs, html for a browser.")
@click.option(
    "--evidence",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write all requests and both answers to this file, as JSON Lines with invented names.",
)
@click.option(
    "--profile",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what was found to this file, for serve --profile.",
)
@click.option(
    "--follow",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Compare with a simulator that follows this profile, to see whether it is still true.",
)
@click.option("--force", is_flag=True, help="Replace the files of --evidence and --profile if they exist.")
@click.option("--fail-on-undecided", is_flag=True, help="Exit with 1 if a rule with a probe is not decided.")
def conform(against: str, clean: Path | None, confirm: str, dry_run: bool, **options: Any) -> None:
    """Ask a real system what the simulator assumes.

    It is only read, unless --create, --scratch-group or --scratch-user say what may be written. Exit with 0 if nothing
    is contradicted, with 2 if something is, and with 1 if the result cannot be trusted.
    """
    from simulator.app import standard_simulation
    from simulator.errors import BrokenDocument
    from simulator.lab.client import LabClient
    from simulator.lab.plan import Plan

    names = ("tenant", "groups", "users", "create", "scratch_group", "scratch_user", "fresh_user")
    plan = Plan(**{name: options[name] for name in names})
    files = [str(options[name]) for name in ("evidence", "profile") if options[name] is not None]
    _check_options(plan, files, options, cleans=clean is not None, dry_run=dry_run)
    limits = {"pace": options["pace"], "most_requests": options["max_requests"], "timeout": options["timeout"]}
    try:
        simulation = standard_simulation().following(options["follow"])
        client = LabClient(against, simulation.contract, _credentials(options["credentials"]), **limits)
    except BrokenDocument as broken:
        fail(broken)
    except ValueError as problem:
        raise click.UsageError(f"{problem}.") from None
    if dry_run:
        from simulator.lab.plan import outline_of

        for line in outline_of(simulation, plan, client.credentials):
            click.echo(line)
        return
    if (clean is not None or plan.permission > 0) and confirm != client.address.host:
        raise click.UsageError(f"this writes to the system; name its host once more: --confirm {client.address.host}")
    if clean is not None:
        _clean(client, clean)
    for file in files:
        check_free(file, force=options["force"])
    _compare(simulation, client, plan, options)


def _check_options(
    plan: Plan, files: Sequence[str], options: Mapping[str, Any], *, cleans: bool, dry_run: bool
) -> None:
    """Raise `UsageError` if the options do not go together."""
    if not cleans and not (plan.tenant and plan.groups):
        raise click.UsageError("name what to look at with --tenant and --group")
    if cleans and dry_run:
        raise click.UsageError("--dry-run is for a comparison; the ledger itself says what --clean would undo")
    if "" in plan.groups:
        raise click.UsageError("--group needs the id of a group")
    if options["follow"] is not None and options["profile"] is not None:
        raise click.UsageError("--follow compares with a profile; to write a new one, leave it out")
    if len(set(files)) < len(files):
        raise click.UsageError("--evidence and --profile need different files")
    if plan.fresh_user and plan.fresh_user == plan.scratch_user:
        raise click.UsageError("--fresh-user is only read, so it must not be --scratch-user too")


def _credentials(file: Path | None) -> Credentials:
    """Return the credentials. Raises `ValueError` or `BrokenDocument`."""
    from simulator.lab.credentials import Credentials

    return Credentials.of_environment(os.environ) if file is None else Credentials.of_file(file)


def _compare(simulation: Simulation, client: LabClient, plan: Plan, options: Mapping[str, Any]) -> NoReturn:
    from simulator.lab.run import Run
    from simulator.progress import shown

    name = datetime.now(UTC).strftime("%H%M%S") + os.urandom(2).hex()
    file = Path(f"conform-{name}.ledger")
    with shown(options["system"], sys.stderr) as progress:
        run = Run(simulation, client, plan, file, progress, name)
        run.go()
    if run.client.ledger.entries:
        run.problems.append(f"something was left behind; --clean {file} undoes it")
    status = NOT_TRUSTWORTHY if run.verdicts is None else _report(run, run.verdicts, options)
    for problem in run.problems:
        click.echo(f"apio-simulator: {problem}", err=True)
    if run.problems and options["profile"] is not None:
        click.echo("apio-simulator: the profile was not written, because the result cannot be trusted", err=True)
    if run.client.ledger.entries:
        again = f"conform --against {client.url} --confirm {client.address.host} --clean {file}"
        click.echo(f"apio-simulator: to undo what was left behind: apio-simulator {again}", err=True)
    sys.exit(status)


def _report(run: Run, verdicts: Verdicts, options: Mapping[str, Any]) -> int:
    """Write what the run has found. Return the exit status."""
    from simulator.document import write_yaml
    from simulator.lab.importing import Leak
    from simulator.lab.report import evidence_of, profile_of, report_of
    from simulator.reports.conformity import FORMATS

    today = datetime.now(UTC).date()
    names: Mapping[int, str] = {}
    are_written = []
    try:
        evidence, names = evidence_of(run)
        if options["evidence"] is not None:
            are_written.append(_is_written(options["evidence"], evidence))
    except Leak as leak:
        are_written.append(options["evidence"] is None)
        click.echo(f"apio-simulator: no evidence: {len(leak.originals)} texts of the system would be in it", err=True)
    report = report_of(run, verdicts, names, options["system"], today)
    if options["profile"] is not None and not run.problems:
        profile = write_yaml(profile_of(run, verdicts, options["system"], today))
        are_written.append(_is_written(options["profile"], profile))
    show(FORMATS[options["shape"]](report), options["shape"])
    if run.problems or not all(are_written):
        return NOT_TRUSTWORTHY
    if verdicts.of("contradicted"):
        return CONTRADICTED
    undecided = [each for each in verdicts.of("not decidable") if each.outcomes]
    return NOT_TRUSTWORTHY if options["fail_on_undecided"] and undecided else 0


def _is_written(path: Path, text: str) -> bool:
    """Write a file, and return whether it worked. The report must be shown even if it did not."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        click.echo(f"apio-simulator: {path}: cannot be written: {error.strerror or error}", err=True)
        return False
    return True


def _clean(client: LabClient, file: Path) -> NoReturn:
    """Undo what a run has left."""
    from simulator.lab.cleaning import clean_later
    from simulator.lab.client import Untrustworthy
    from simulator.lab.ledger import BrokenLedger, RunLedger

    try:
        left = clean_later(client, RunLedger.read(file))
    except OSError as error:
        fail(f"{file}: cannot be read: {error.strerror or error}")
    except BrokenLedger as broken:
        fail(broken)
    except Untrustworthy as problem:
        left = [str(problem)]
    for each in left:
        click.echo(f"apio-simulator: {each}", err=True)
    if left:
        sys.exit(NOT_TRUSTWORTHY)
    click.echo("everything is as it was before the run")
    sys.exit(0)

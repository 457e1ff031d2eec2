"""The commands that ask a real system."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, NoReturn

import click

from simulator.cli.client import INTERRUPTED
from simulator.cli.files import check_free, write_whole
from simulator.cli.options import F, TextType
from simulator.cli.output import example, fail

if TYPE_CHECKING:
    from simulator.contract.contract import Contract
    from simulator.lab.client import LabClient
    from simulator.lab.exchange import LabAnswer, LabRequest

PACE_SECONDS = 0.4
MOST_REQUESTS = 5_000
KEPT = ("names", "numbers", "ids", "all")


def connection_options(most_requests: int) -> Callable[[F], F]:
    """Adds the options for credentials, pace and number of requests of a command that asks a real system."""

    def add(command: F) -> F:
        for each in reversed(
            (
                click.option(
                    "--credentials",
                    type=click.Path(path_type=Path, dir_okay=False),
                    help="A YAML file with username and password, or with token. Without it, the variables "
                    "APIO_LAB_USERNAME, APIO_LAB_PASSWORD and APIO_LAB_TOKEN count.",
                ),
                click.option(
                    "--pace",
                    default=PACE_SECONDS,
                    show_default=True,
                    type=click.FloatRange(min=0),
                    help="How many seconds lie between two requests, at least.",
                ),
                click.option(
                    "--max-requests",
                    default=most_requests,
                    show_default=True,
                    type=click.IntRange(min=1),
                    help="After how many requests the command gives up.",
                ),
            )
        ):
            command = each(command)
        return command

    return add


def users_option(command: F) -> F:
    """Adds the option that names users in groups that do not show their users."""
    return click.option(
        "--user",
        "users",
        multiple=True,
        metavar="ID",
        help="A user whose settings to read, in a group whose users the system does not list; give it again for more.",
    )(command)


class Kinds(TextType):
    """Kinds of texts, separated by commas."""

    name = "kinds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the kinds. Fails if one is not known."""
        for each in str(value).split(","):
            if each not in KEPT:
                self.fail(f"{each!r} is not one of {', '.join(KEPT)}", param, ctx)
        return str(value)


@click.command(
    "import",
    epilog=example(
        "import --from https://lab.example.com --tenant foo --group foogroup --output world.yaml",
        "import --from https://lab.example.com --tenant demo --group brussels --group antwerp --output demo.yaml",
    ),
)
@click.option("--from", "address", required=True, metavar="URL", help="The address of the real system.")
@click.option("--tenant", required=True, metavar="ID", help="The tenant to read from.")
@click.option(
    "--group", "groups", required=True, multiple=True, metavar="ID", help="A group to read; give it again for more."
)
@users_option
@click.option(
    "--keep",
    type=Kinds(),
    metavar="KINDS",
    help="Keep the system's own texts of these kinds, separated by commas: names, numbers, ids; or all. The file then "
    "holds personal data.",
)
@connection_options(MOST_REQUESTS)
@click.option("--output", required=True, metavar="FILE", help="The file to write, in YAML.")
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
def import_world(
    tenant: str,
    groups: Sequence[str],
    users: Sequence[str],
    keep: str | None,
    output: str,
    force: bool,
    **connection: Any,
) -> None:
    """Read groups of a real system, and write a fixture of them.

    It sends GETs only, one after the other, and a login if there is a user name. The texts in the fixture are invented,
    and have the same shape as the originals. Nothing is written unless everything was read.
    """
    if output.endswith(".json"):
        raise click.UsageError("--output: the file is YAML with comments, so its name cannot end in .json")
    check_free(output, force=force)

    from simulator.app import standard_simulation
    from simulator.lab.crawl import crawl
    from simulator.lab.importing import NO_USER, fixture_text, note_differences, people, summary
    from simulator.progress import shown

    simulation = standard_simulation()
    kept = keep.split(",") if keep else []
    with _asking(simulation.contract, **connection) as client:
        with shown("import", sys.stderr) as progress:

            def ask(request: LabRequest) -> LabAnswer:
                progress(f"{client.count} requests", None)
                return client.ask(request)

            client.log_in()
            observed = crawl(simulation.contract, ask, tenant, groups, users)
        if not people(observed):
            _give_up(NO_USER)
        note_differences(simulation, observed)
        text = fixture_text(simulation, observed, kept, client.count, datetime.now(UTC))
        write_whole(output, [text.encode()], force=force)
    for note in observed.notes:
        click.echo(f"- {note}", err=True)
    if kept:
        click.echo(f"WARNING: {output} holds personal data. It has texts of the system: {', '.join(kept)}.", err=True)
    click.echo(f"{summary(observed, client.count)}; serve it with: apio-simulator serve --fixtures {quote(output)}")


@contextmanager
def _asking(
    contract: Contract, address: str, credentials: Path | None, pace: float, max_requests: int
) -> Iterator[LabClient]:
    """Yields a client for a real system. An error ends the command with a message and 1, Ctrl-C without one, with 130.

    Mistakes in the options end it with 2.
    """
    from simulator.errors import BrokenDocument, RuleViolation
    from simulator.lab.client import LabClient, Untrustworthy
    from simulator.lab.crawl import UnexpectedAnswer
    from simulator.lab.credentials import Credentials
    from simulator.lab.importing import Leak

    try:
        own = Credentials.of_environment(os.environ) if credentials is None else Credentials.of_file(credentials)
        client = LabClient(address, contract, own, pace=pace, most_requests=max_requests)
    except BrokenDocument as broken:
        fail(broken)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    try:
        yield client
    except (Untrustworthy, UnexpectedAnswer, Leak) as failure:
        _give_up(str(failure))
    except RuleViolation as violation:
        fault = violation.faults[0]
        _give_up(f"no fixture can hold what the system shows: {fault.pointer}: {fault.reason} ({fault.rule})")
    except BrokenDocument as broken:
        _give_up(f"no fixture can hold what the system shows: {broken.problems[0]}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _give_up(reason: str) -> NoReturn:
    from simulator.reports.text import printable

    click.echo(printable(f"apio-simulator: nothing was written: {reason}"), err=True)
    sys.exit(1)

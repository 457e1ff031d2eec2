"""The command line."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from simulator import __version__
from simulator.app import AUTH_MODES, MAX_BODY, SANDBOX_LIMIT, Simulation, create_app
from simulator.directory import Account, Directory
from simulator.errors import BrokenDocument
from simulator.log import configure_logging
from simulator.server import LARGEST_BODY, AddressUnavailable, Server, run_until_stopped

PREFIX = "APIO_SIMULATOR_"
DEFAULT_PORT = 4080

F = TypeVar("F", bound=Callable[..., Any])


def option(name: str, *parameter: str, **attributes: Any) -> Callable[[F], F]:
    """An option that can also be given as an environment variable; the option wins."""
    variable = PREFIX + name.removeprefix("--").replace("-", "_").upper()
    return click.option(name, *parameter, envvar=variable, show_envvar=True, show_default=True, **attributes)


class Origin(click.ParamType[str]):
    """An origin as browsers send it: scheme, host and perhaps a port."""

    name = "origin"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the origin."""
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s]+|null", value):
            self.fail(f"{value!r} is no origin; write it like http://localhost:3000, without a path", param, ctx)
        return str(value)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="apio-simulator", message="%(prog)s %(version)s")
def main() -> None:
    """A stand-in for two services of the APIO telephony provisioning API."""
    known = {str(parameter.envvar) for command in main.commands.values() for parameter in command.params}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        choices = ", ".join(sorted(known - {"None"}))
        raise click.UsageError(f"the environment variable {unknown[0]} is not known; known are {choices}")


@main.command()
@option("--host", default="127.0.0.1", help="The address to listen at.")
@option("--port", default=DEFAULT_PORT, type=click.IntRange(0, 65535), help="The port to listen at; 0 for a free one.")
@option(
    "--fixtures", type=click.Path(path_type=Path), help="The file every sandbox starts from.  [default: default.yaml]"
)
@option("--auth", default="optional", type=click.Choice(AUTH_MODES), help="Whether a request needs credentials.")
@option(
    "--cors-origin", "cors_origins", multiple=True, type=Origin(), help="An origin whose pages may call; none: any."
)
@option("--max-body", default=MAX_BODY, type=click.IntRange(min=1), help="The largest body, in bytes.")
@option("--sandbox-limit", default=SANDBOX_LIMIT, type=click.IntRange(min=1), help="How many named sandboxes live.")
@option("--log-format", default="text", type=click.Choice(["text", "json"]), help="How the log is written.")
def serve(host: str, port: int, fixtures: Path | None, log_format: str, **options: Any) -> None:
    """Run the simulator until Ctrl-C."""
    configure_logging(log_format)
    try:
        simulation = Simulation()
        world = simulation.fixtures.read(fixtures) if fixtures else simulation.default_world()
        app = create_app(simulation, world, **options)
        server = Server(app, host, port, max(LARGEST_BODY, 2 * int(options["max_body"])))
    except BrokenDocument as broken:
        fail(broken)
    except AddressUnavailable as unavailable:
        fail(f"apio-simulator: {unavailable}; choose an address with --host and --port, or --port 0 for a free port")
    text = banner(server.url, options["auth"], fixtures, world.directory)
    run_until_stopped(server, ready=lambda: click.echo(text))


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate(files: tuple[Path, ...]) -> None:
    """Check fixtures, and say everything that is wrong with them."""
    try:
        fixtures = Simulation().fixtures
    except BrokenDocument as broken:
        fail(broken)
    failed = False
    for file in files:
        try:
            click.echo(f"{file}: {counts(fixtures.read(file).directory)}")
        except BrokenDocument as broken:
            failed = True
            click.echo(broken, err=True)
    sys.exit(2 if failed else 0)


def fail(problem: object) -> NoReturn:
    """Say what there is to mend, and exit."""
    click.echo(problem, err=True)
    sys.exit(2)


def counts(directory: Directory) -> str:
    """What a directory holds, in a few words."""
    groups = [group for tenant in directory.tenants.values() for group in tenant.groups.values()]
    users = sum(len(group.users) for group in groups)
    numbers = {
        "tenant": len(directory.tenants),
        "group": len(groups),
        "user": users,
        "account": len(directory.accounts),
    }
    return ", ".join(f"{number} {noun}{'' if number == 1 else 's'}" for noun, number in numbers.items())


def banner(url: str, auth: str, fixtures: Path | None, directory: Directory) -> str:
    """What the server says once it listens, `Ready.` in the last line."""
    lines = [
        f"apio-simulator {__version__} at {url}, credentials {auth}",
        f"  fixture   {fixtures or 'default.yaml'}: {counts(directory)}",
        *(f"  account   {account}" for account in map(_account_line, directory.accounts.values())),
        f"  docs      {url}/_simulator/docs",
        "Ready.",
    ]
    return "\n".join(lines)


def _account_line(account: Account) -> str:
    bounds = "/".join(filter(None, (account.tenant_id, account.group_id, account.user_id)))
    token = f", token {account.token}" if account.token else ""
    return f"{account.name} / {account.password}: {account.level.title}{' of ' + bounds if bounds else ''}{token}"

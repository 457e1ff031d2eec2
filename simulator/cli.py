"""The command line. What only one command needs is imported there: `wait` must not take half a second to begin."""

from __future__ import annotations

import errno
import gc
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from simulator import __version__
from simulator.journal_report import call_text
from simulator.settings import AUTH_MODES, DEFAULT_PORT, DEFAULTS, FIDELITIES, Settings

if TYPE_CHECKING:
    from simulator.client import Client
    from simulator.directory import Account, Directory
    from simulator.fixtures.fixtures import Fixtures
    from simulator.state.world import World

PREFIX = "APIO_SIMULATOR_"
FOLLOW_SECONDS = 0.5
EVERY_REQUEST = 10**9
REPORTS = ("text", "json", "junit", "html")
PER_CENT = click.FloatRange(0, 100)

F = TypeVar("F", bound=Callable[..., Any])

if TYPE_CHECKING:
    _TextType = click.ParamType[str]
else:
    # Generic since click 8.4; other packages of the same environment may need an older one.
    _TextType = click.ParamType


def option(name: str, *parameter: str, **attributes: Any) -> Callable[[F], F]:
    """An option that can also be given as an environment variable; the option wins."""
    variable = PREFIX + name.removeprefix("--").replace("-", "_").upper()
    attributes = {"show_default": True, **attributes}
    return click.option(name, *parameter, envvar=variable, show_envvar=True, **attributes)


def limit(name: str, meaning: str) -> Callable[[F], F]:
    """An option for a number of the settings, with the settings' default and lower bound."""
    setting = name.removeprefix("--").replace("-", "_")
    kind = click.IntRange(min=Settings.least(setting))
    return option(name, default=getattr(DEFAULTS, setting), type=kind, help=meaning)


def own_address() -> str:
    """The address of a server on this machine, at the port that the environment names, or at the default one."""
    variable = f"{PREFIX}PORT"
    try:
        port = click.IntRange(1, 65535)(os.environ.get(variable) or DEFAULT_PORT)
    except click.BadParameter as problem:
        raise click.UsageError(f"{variable}: {problem.message} Name the server to talk to with --url.") from None
    return f"http://127.0.0.1:{port}"


def server_option(command: F) -> F:
    """The option that says which server a command talks to."""
    shown = f"port {PREFIX}PORT of this machine, or {DEFAULT_PORT}"
    return option("--url", default=own_address, show_default=shown, help="The server to talk to.")(command)


class Token(_TextType):
    """The bearer token that the control interface demands."""

    name = "token"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the token."""
        try:
            return str(Settings(control_token=value).control_token)
        except ValueError as problem:
            self.fail(f"{problem}; without the option and its variable, there is no token", param, ctx)


class EvenIfEmpty(click.Option):
    """An option whose variable counts when it is empty, too."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:  # noqa: ARG002  # click's signature
        """What the variable holds."""
        return os.environ.get(str(self.envvar))


def at_server(command: F) -> F:
    """The options of a command that talks to a running server."""
    options = (
        server_option,
        option("--sandbox", default="default", help="The sandbox."),
        option(
            "--control-token",
            default=None,
            cls=EvenIfEmpty,
            type=Token(),
            help="The server's control token.",
        ),
    )
    for each in reversed(options):
        command = each(command)
    return command


class Origin(_TextType):
    """An origin as browsers send it: scheme, host and perhaps a port."""

    name = "origin"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the origin."""
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s]+|null", value):
            self.fail(f"{value!r} is no origin; write it like http://localhost:3000, without a path", param, ctx)
        return str(value)


class Host(_TextType):
    """The name or address of a host, without a port, or `*` for any."""

    name = "host"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the name."""
        if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*|\*", value):
            self.fail(
                f"{value!r} is no host; write it like simulator, without scheme and port, or * for any", param, ctx
            )
        return str(value)


class Commands(click.Group):
    """A command that finds no room for its output says so in a line. A reader who is gone is click's business."""

    def invoke(self, ctx: click.Context) -> Any:
        """Carry out a command."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            # What waits to be written would be tried once more at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            fail(f"apio-simulator: the output cannot be written: {error.strerror}")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
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
    "--fixtures",
    type=click.Path(path_type=Path, readable=False),
    help="The file every sandbox starts from, or its folder: then default.yaml, or the only fixture in it.  "
    "[default: the default fixture]",
)
@option("--auth", default=DEFAULTS.auth, type=click.Choice(AUTH_MODES), help="Whether a request needs credentials.")
@option(
    "--fidelity",
    default=DEFAULTS.fidelity,
    type=click.Choice(FIDELITIES),
    help="strict: say in each answer which assumed rules it rests on.",
)
@option(
    "--cors-origin",
    "cors_origins",
    multiple=True,
    type=Origin(),
    help="An origin whose pages may read the answers; none: any. Calls of other pages are carried out all the same.",
)
@limit("--delay-ms", "How long every call of the API waits.")
@limit("--max-body", "The largest body, in bytes.")
@limit("--request-seconds", "How long a request may take to arrive.")
@limit("--sandbox-limit", "How many named sandboxes live.")
@option("--no-control", is_flag=True, help="Leave nothing under /_simulator but the health.")
@option(
    "--control-token",
    default=None,
    cls=EvenIfEmpty,
    type=Token(),
    help="The bearer token that the control interface demands.",
)
@option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    type=Host(),
    help="A name under which it may be called; none: the loopback's.",
)
@limit("--memory-limit", "How much all that is kept may take, in bytes.")
@limit("--max-state", "The largest body of the control interface, in bytes.")
@limit("--max-depth", "How deeply such a body may be nested.")
@limit("--journal-limit", "How many calls a sandbox's journal keeps.")
@limit("--journal-bytes", "How large the journal gets, in bytes.")
@limit("--snapshot-limit", "How many snapshots a sandbox has.")
@limit("--fault-limit", "How many injected faults a sandbox has.")
@option("--log-format", default="text", type=click.Choice(["text", "json"]), help="How the log is written.")
def serve(host: str, port: int, fixtures: Path | None, log_format: str, **options: Any) -> None:
    """Run the simulator until Ctrl-C."""
    # The first process of a container is ended only by what it handles, and must be so while it still starts, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    from simulator.app import Simulation
    from simulator.errors import BrokenDocument
    from simulator.fixtures.folder import fixture_file
    from simulator.log import configure_logging
    from simulator.server import AddressUnavailable, Server, allow_files, run_until_stopped

    # What is loaded stays: to look through it for garbage would be in vain, now and later.
    gc.disable()
    allow_files()
    request_log = configure_logging(log_format)
    control = not options.pop("no_control")
    settings = Settings(control=control, **options).at(host)
    try:
        simulation = Simulation()
        file = fixture_file(fixtures) if fixtures else None
        world = read_fixture(simulation.fixtures, file) if file else simulation.world()
        app = simulation.app(world, settings, request_log).wsgi_app
        limits = settings.largest_body, settings.request_seconds
        server = Server(app, host, port, *limits, transfer_limit=settings.transfer_limit)
    except BrokenDocument as broken:
        fail(broken)
    except AddressUnavailable as unavailable:
        fail(f"apio-simulator: {unavailable}; choose an address with --host and --port, or --port 0 for a free port")
    gc.freeze()
    gc.enable()
    text = banner(server.url, settings, file, world.directory)
    run_until_stopped(server, ready=lambda: click.echo(text))


@main.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, readable=False))
def validate(files: tuple[Path, ...]) -> None:
    """Check fixtures, of a folder the one that `serve` takes, and say everything that is wrong with them."""
    from simulator.app import Simulation
    from simulator.errors import BrokenDocument
    from simulator.fixtures.folder import fixture_file

    try:
        fixtures = Simulation().fixtures
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


@main.command()
@server_option
@click.option("--timeout", default=10.0, show_default=True, help="How long to wait, in seconds.")
def wait(url: str, timeout: float) -> None:
    """Wait until a server is healthy."""
    with _client(url=url, sandbox="default", control_token=None) as client:
        client.wait(timeout)


@main.command()
@at_server
def reset(**server: Any) -> None:
    """Take a sandbox back to its seed."""
    with _client(**server) as client:
        client.call("POST", "reset")


@main.command()
@at_server
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file; .json for JSON.")
def state(output: Path | None, **server: Any) -> None:
    """Show a sandbox's world as a fixture, or save it as one."""
    is_json = output is not None and output.suffix == ".json"
    with _client(**server) as client:
        text = client.call("GET", "state", accept="application/json" if is_json else "application/yaml")
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_bytes(text)
    except OSError as error:
        fail(f"{output}: cannot be written: {error.strerror or error}")


@main.command()
@at_server
@click.option("--follow", is_flag=True, help="Go on with new calls until Ctrl-C.")
def requests(follow: bool, **server: Any) -> None:
    """Show the calls that a sandbox got, and why it refused some."""
    with _client(**server) as client:
        query: dict[str, object] = {"limit": EVERY_REQUEST}
        while True:
            answer = client.get("requests", query)
            for entry in answer["requests"]:
                click.echo(call_text(entry))
            if not follow:
                if not answer["requests"]:
                    click.echo(f"apio-simulator: no calls in the sandbox {server['sandbox']!r}", err=True)
                return
            query["since"] = answer["cursor"]
            time.sleep(FOLLOW_SECONDS)


@main.command()
@at_server
@click.option("--format", "shape", default="text", show_default=True, type=click.Choice(REPORTS))
@click.option("--merge", is_flag=True, help="Add up FILES, which --format json has written, and ask no server.")
@click.option("--fail-under", type=PER_CENT, help="Exit with 1 if fewer operations, in %, were called.")
@click.option("--fail-under-statuses", type=PER_CENT, help="Exit with 1 if fewer documented statuses, in %, were seen.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def coverage(
    shape: str,
    merge: bool,
    files: tuple[Path, ...],
    fail_under: float | None,
    fail_under_statuses: float | None,
    **server: Any,
) -> None:
    """Show which operations and statuses the clients of a sandbox, or of all with --sandbox '*', have exercised."""
    from simulator.coverage_report import FORMATS, merged, percentage

    if merge != bool(files):
        raise click.UsageError("--merge goes with the files to add up, and files with --merge")
    if merge:
        answer = merged(_saved_coverages(files))
    else:
        everything = {"sandbox": "*"} if server["sandbox"] == "*" else {}
        with _client(**{**server, "sandbox": "default"} if everything else server) as client:
            answer = client.get("coverage", everything)
    _show(FORMATS[shape](answer), shape)
    failed = False
    wanted = {"operations": (fail_under, "were called"), "statuses": (fail_under_statuses, "were seen")}
    for what, (least, word) in wanted.items():
        found = percentage(answer, what)
        # Written so that what is no number is never enough.
        if least is not None and not found >= least:
            failed = True
            click.echo(f"apio-simulator: {found:.1f} % of the {what} {word}, not {least:g} %", err=True)
    sys.exit(1 if failed else 0)


def _saved_coverages(files: Iterable[Path]) -> list[Any]:
    """The coverages that files hold, which must be as the server's contract says."""
    from simulator.app import Simulation

    schema = Simulation().control_contract.operations["getCoverage"].answers[HTTPStatus.OK]
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


@main.command()
@click.argument("operation", required=False)
@click.option("--format", "shape", default="text", show_default=True, type=click.Choice(("text", "json", "html")))
def errors(operation: str | None, shape: str) -> None:
    """Show every refusal there is, or those of one operation: how to provoke it, and the answer."""
    from simulator.app import Simulation
    from simulator.error_report import FORMATS
    from simulator.errors import BrokenDocument, Refusal

    try:
        _show(FORMATS[shape](Simulation().errors(operation)), shape)
    except BrokenDocument as broken:
        fail(broken)
    except Refusal as refusal:
        raise click.UsageError(str(refusal)) from None


def _show(report: str, shape: str) -> None:
    """Print a report: text for the terminal as that wants it, what programs read as UTF-8 wherever it goes."""
    click.echo(report if shape == "text" else report.encode())


@contextmanager
def _client(url: str, sandbox: str, control_token: str | None) -> Iterator[Client]:
    """A client of the server; what goes wrong with it ends the command with a message, Ctrl-C ends it without one."""
    from simulator.client import Client, Refused, Unreachable

    try:
        client = Client(url, sandbox, control_token)
    except ValueError as problem:
        raise click.UsageError(f"{problem}, and name a sandbox with --sandbox") from None
    try:
        yield client
    except (Unreachable, Refused) as failure:
        click.echo(f"apio-simulator: {failure}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(0)


def read_fixture(fixtures: Fixtures, file: Path) -> World:
    """The world of a fixture, with the progress of what takes long on the terminal. Raises `BrokenDocument`."""
    from simulator.progress import shown

    with shown(str(file), sys.stderr) as progress:
        return fixtures.read(file, progress)


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


def banner(url: str, settings: Settings, fixture: Path | None, directory: Directory) -> str:
    """What the server says once it listens, `Ready.` in the last line."""
    lines = [
        f"apio-simulator {__version__} at {url}, credentials {settings.auth}",
        f"  fixture   {fixture or 'default.yaml'}: {counts(directory)}",
        *(f"  account   {account}" for account in map(_account_line, directory.accounts.values())),
        *([f"  docs      {url}/_simulator/docs"] if settings.control else []),
        "Ready.",
    ]
    return "\n".join(lines)


def _account_line(account: Account) -> str:
    bounds = "/".join(filter(None, (account.tenant_id, account.group_id, account.user_id)))
    token = f", token {account.token}" if account.token else ""
    return f"{account.name} / {account.password}: {account.level.title}{' of ' + bounds if bounds else ''}{token}"

"""The command that runs the simulator."""

from __future__ import annotations

import gc
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator import __version__
from simulator.cli.fixtures import counts, read_fixture
from simulator.cli.options import EvenIfEmpty, Host, Origin, Token, limit, option
from simulator.cli.output import fail
from simulator.settings import AUTH_MODES, DEFAULT_PORT, DEFAULTS, FIDELITIES, Settings

if TYPE_CHECKING:
    from simulator.directory import Account, Directory


@click.command()
@option("--host", default="127.0.0.1", help="The address to listen at.")
@option("--port", default=DEFAULT_PORT, type=click.IntRange(0, 65535), help="The port to listen at; 0 for a free one.")
@option(
    "--fixtures",
    type=click.Path(path_type=Path, readable=False),
    help="The fixture every sandbox starts from: a file, or a folder with default.yaml or with a single fixture.  "
    "[default: the default fixture]",
)
@option("--watch", is_flag=True, help="Read the fixture again when its file changes, as SIGHUP does once.")
@option("--auth", default=DEFAULTS.auth, type=click.Choice(AUTH_MODES), help="Whether a request needs credentials.")
@option(
    "--fidelity",
    default=DEFAULTS.fidelity,
    type=click.Choice(FIDELITIES),
    help="strict: each answer names the assumed rules it rests on.",
)
@option(
    "--cors-origin",
    "cors_origins",
    multiple=True,
    type=Origin(),
    help="An origin whose pages may read the answers; default: any. Calls from other pages are still carried out.",
)
@limit("--delay-ms", "How long every call of the API waits.")
@limit("--max-body", "The largest body, in bytes.")
@limit("--request-seconds", "How long a request may take to arrive.")
@limit("--sandbox-limit", "How many named sandboxes there may be.")
@option("--no-control", is_flag=True, help="Switch off everything under /_simulator except the health check.")
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
    help="A host name at which the control interface may be called; default: the loopback's names.",
)
@limit("--memory-limit", "How much memory everything that is kept may take, in bytes.")
@limit("--max-state", "The largest body of the control interface, in bytes.")
@limit("--max-depth", "How deeply a body of the control interface may be nested.")
@limit("--journal-limit", "How many calls a sandbox's journal keeps.")
@limit("--journal-bytes", "How large a sandbox's journal may get, in bytes.")
@limit("--snapshot-limit", "How many snapshots a sandbox may have.")
@limit("--fault-limit", "How many injected faults a sandbox may have.")
@option("--log-format", default="text", type=click.Choice(["text", "json"]), help="The format of the log.")
def serve(host: str, port: int, fixtures: Path | None, watch: bool, log_format: str, **options: Any) -> None:
    """Run the simulator until Ctrl-C."""
    # The first process of a container only ends on signals that it handles. It must end while it is starting, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    from simulator.app import Simulation, shipped
    from simulator.cli.watching import FixtureReader, stamp_of
    from simulator.errors import BrokenDocument
    from simulator.fixture.folder import fixture_file
    from simulator.log import configure_logging
    from simulator.server import AddressUnavailable, Server, allow_files, run_until_stopped

    # Everything that is loaded here stays, so a search for garbage in it would only cost time.
    gc.disable()
    allow_files()
    request_log = configure_logging(log_format)
    control = not options.pop("no_control")
    settings = Settings(control=control, **options).at(host)
    try:
        simulation = Simulation()
        path = fixtures or shipped("fixtures/default.yaml")
        # Before it is read: what is written meanwhile is a change.
        stamp = stamp_of(path)
        file = fixture_file(path)
        world = read_fixture(simulation.fixtures, file)
        app = simulation.app(world, settings, request_log)
        limits = settings.largest_body, settings.request_seconds
        server = Server(app.wsgi_app, host, port, *limits, transfer_limit=settings.transfer_limit)
    except BrokenDocument as broken:
        fail(broken)
    except AddressUnavailable as unavailable:
        fail(f"apio-simulator: {unavailable}; choose an address with --host and --port, or --port 0 for a free port")
    gc.freeze()
    gc.enable()
    text = banner(server.url, settings, file if fixtures else None, world.directory)
    sandboxes = app.extensions["sandboxes"]
    reader = FixtureReader(path, stamp, simulation.fixtures, sandboxes, server.carry_out, watched=watch)
    run_until_stopped(server, ready=lambda: click.echo(text), hang_up=reader.ask, tick=reader.poll)


def banner(url: str, settings: Settings, fixture: Path | None, directory: Directory) -> str:
    """Returns what the server prints once it listens. The last line is `Ready.`."""
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

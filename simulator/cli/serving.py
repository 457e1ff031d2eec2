"""The command that runs the simulator."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any, TextIO

import click

from simulator import __version__
from simulator.cli.client import connected, server_option
from simulator.cli.fixtures import read_fixture
from simulator.cli.options import EvenIfEmpty, Host, Origin, Token, UnlessServiceLink, limit, option, service_links
from simulator.cli.output import example, fail
from simulator.settings import AUTH_MODES, DEFAULT_PORT, DEFAULTS, FIDELITIES, SANDBOX_POLICIES, Settings

LOG_LEVELS = ("debug", "info", "warning", "error")

logger = logging.getLogger("simulator.serve")


@click.command(epilog=example("serve", "serve --fixtures my-fixture.yaml --port 5000"))
@option("--host", default="127.0.0.1", help="The address to listen at; 0.0.0.0 in a container.")
@option(
    "--port",
    default=DEFAULT_PORT,
    cls=UnlessServiceLink,
    type=click.IntRange(0, 65535),
    help="The port to listen at; 0 for a free one.",
)
@option(
    "--fixtures",
    type=click.Path(path_type=Path, readable=False),
    help="The fixture every sandbox starts from: a file, or a folder with default.yaml or with a single fixture.  "
    "[default: the default fixture]",
)
@option(
    "--watch",
    is_flag=True,
    help="Read the fixture again each time its file changes. SIGHUP reads it once, without this option.",
)
@option(
    "--profile",
    type=click.Path(path_type=Path, readable=False),
    help="The file of a profile: what was observed on a real system, for the simulator to follow.",
)
@option(
    "--auth",
    default=DEFAULTS.auth,
    type=click.Choice(AUTH_MODES),
    help="Whether a request needs credentials; required refuses one without them.",
)
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
@limit("--delay-ms", "How long every call of the API waits, in ms: to try a client with a slow API.")
@limit("--max-body", "The largest body of a call of the API, in bytes; a larger one is refused.")
@limit("--request-seconds", "How long a request may take to arrive, in seconds; then its connection is closed.")
@option(
    "--sandboxes",
    default=DEFAULTS.sandboxes,
    type=click.Choice(SANDBOX_POLICIES),
    help="any: the first call to a name makes its sandbox. created: a call to one that nobody has created is refused; "
    "for a server that many share.",
)
@limit("--sandbox-limit", "How many named sandboxes there may be; large suites may need more.")
@option("--no-control", is_flag=True, help="Switch off everything under /_simulator except the health check.")
@option(
    "--control-token",
    default=None,
    cls=EvenIfEmpty,
    type=Token(),
    help="The bearer token that the control interface demands; for a server that others can reach.",
)
@option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    type=Host(),
    help="A host name at which the control interface may be called, such as that of a service; default: the loopback.",
)
@limit("--memory-limit", "How much memory everything that is kept may take, in bytes; less for a small container.")
@limit("--max-state", "The largest body of the control interface, in bytes; more for a large state.")
@limit("--max-depth", "How deeply a body of the control interface may be nested.")
@limit("--journal-limit", "How many calls a sandbox's journal keeps; 0 switches it off.")
@limit("--journal-bytes", "How large a sandbox's journal may get, in bytes.")
@limit("--snapshot-limit", "How many snapshots a sandbox may have.")
@limit("--fault-limit", "How many injected faults a sandbox may have.")
@option(
    "--log-format",
    default="text",
    type=click.Choice(["text", "json"]),
    help="The format of the log. json: the banner and errors are JSON too, in one line each.",
)
@option(
    "--log-level",
    default="info",
    type=click.Choice(LOG_LEVELS, case_sensitive=False),
    help="What is logged. debug: everything; info: all but health checks and what browsers ask for by themselves; "
    "warning and error: no requests.",
)
@option("--quiet", is_flag=True, help="Print no banner and no progress, and log only warnings and errors.")
def serve(
    host: str,
    port: int,
    fixtures: Path | None,
    watch: bool,
    profile: Path | None,
    log_format: str,
    log_level: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Run the simulator until Ctrl-C."""
    control = not options.pop("no_control")
    try:
        settings = Settings(control=control, **options).at(host)
    except ValueError as problem:
        raise click.UsageError(f"{problem}.") from None
    # The first process of a container only ends on signals that it handles. It must end while it is starting, too.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))

    from simulator.app import Simulation, shipped
    from simulator.cli.banner import Banner
    from simulator.cli.watching import FixtureReader, stamp_of
    from simulator.errors import BrokenDocument
    from simulator.fixture.folder import fixture_file
    from simulator.log import configure_logging
    from simulator.server import AddressUnavailable, Server, allow_files, run_until_stopped

    # Everything that is loaded here stays, so a search for garbage in it would only cost time.
    gc.disable()
    allow_files()
    level = max(logging.getLevelName(log_level.upper()), logging.WARNING if quiet else logging.NOTSET)
    request_log = configure_logging(log_format, level)
    links = service_links(os.environ)
    if links:
        more = f" and {len(links) - 1} more" if links[1:] else ""
        logger.info("ignored as service links: %s%s; a pod with enableServiceLinks: false has none", links[0], more)
    as_text = log_format == "text"
    try:
        simulation = Simulation().following(profile)
        path = fixtures or shipped("fixtures/default.yaml")
        # Taken before the file is read, so that a change during the reading is noticed.
        stamp = stamp_of(path)
        file = fixture_file(path)
        world = read_fixture(simulation.fixtures, file, with_progress=as_text and not quiet)
        app = simulation.app(world, settings, request_log)
        limits = settings.largest_body, settings.request_seconds
        server = Server(app.wsgi_app, host, port, *limits, transfer_limit=settings.transfer_limit)
    except BrokenDocument as broken:
        fail(broken)
    except AddressUnavailable as unavailable:
        fail(f"apio-simulator: {unavailable}; choose an address with --host and --port, or --port 0 for a free port")
    gc.freeze()
    gc.enable()
    url = server.local_url
    banner = Banner(
        url=url,
        host=server.host,
        settings=settings,
        fixture=file if fixtures else None,
        directory=world.directory,
        profile=simulation.profile,
    )
    on_terminal = _is_terminal(sys.stdout)
    text = banner.as_text(with_secrets=on_terminal) if as_text else banner.as_json()
    # If one terminal shows both streams, the banner says it already, and `Ready.` must stay the last line.
    if not (as_text and on_terminal and _is_terminal(sys.stderr)):
        logger.info("apio-simulator %s starts at %s", __version__, url)
    # The fixture may be read again. Then nothing else may keep the first world.
    del world, banner
    sandboxes = app.extensions["sandboxes"]
    reader = FixtureReader(path, stamp, simulation.fixtures, sandboxes, server.carry_out, watched=watch)
    received = run_until_stopped(
        server, ready=lambda: None if quiet else click.echo(text), hang_up=reader.ask, tick=reader.poll
    )
    logger.info("stopped by %s", received.name)


def wants_json(arguments: list[str]) -> bool:
    """Returns whether `serve` with these arguments logs in JSON, also if some of them are wrong."""
    context = serve.make_context(
        "serve", [*arguments], resilient_parsing=True, ignore_unknown_options=True, allow_extra_args=True
    )
    return bool(context.params["log_format"] == "json")


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


@click.command(epilog=example("wait --timeout 30"))
@click.option("--timeout", default=10.0, show_default=True, help="How long to wait, in seconds; a CI job may need 30.")
@server_option
def wait(url: str, timeout: float) -> None:
    """Wait until a server is healthy. Exit with 1 if it is not in time: for CI jobs and health checks."""
    with connected(url) as client:
        client.wait(timeout)

"""The server that a command calls: the options that select it, and the client."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from simulator.cli.options import PREFIX, EvenIfEmpty, F, Token, is_service_link, option
from simulator.settings import DEFAULT_PORT

if TYPE_CHECKING:
    from simulator.client import Client


def own_address() -> str:
    """Returns the address of a server on this machine. The port comes from the environment, or is the default."""
    variable = f"{PREFIX}PORT"
    value = os.environ.get(variable, "")
    try:
        port = click.IntRange(1, 65535)(DEFAULT_PORT if not value or is_service_link(variable, value) else value)
    except click.BadParameter as problem:
        raise click.UsageError(f"{variable}: {problem.message} Name the server to talk to with --url.") from None
    return f"http://127.0.0.1:{port}"


def server_option(command: F) -> F:
    """Adds the option that selects the server."""
    shown = f"port {PREFIX}PORT of this machine, or {DEFAULT_PORT}"
    return option("--url", default=own_address, show_default=shown, help="The server to talk to.")(command)


def at_server(command: F) -> F:
    """Adds the options of a command that calls a running server."""
    options = (
        server_option,
        option("--sandbox", default="default", help="The sandbox."),
        option("--control-token", default=None, cls=EvenIfEmpty, type=Token(), help="The server's control token."),
    )
    for each in reversed(options):
        command = each(command)
    return command


@contextmanager
def connected(url: str, sandbox: str, control_token: str | None) -> Iterator[Client]:
    """Yields a client of the server. An error ends the command with a message, Ctrl-C ends it without one."""
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

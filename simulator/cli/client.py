"""The server that a command calls: the options that select it, and the client."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from simulator.cli import completion
from simulator.cli.options import PREFIX, EvenIfEmpty, F, Token, is_service_link, option
from simulator.settings import DEFAULT_PORT

if TYPE_CHECKING:
    from simulator.client import Client

LOOPBACK = ("127.0.0.1", "localhost", "::1")


INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it."""


def own_address() -> str:
    """Returns the address of a server on this machine. The port comes from the environment, or is the default."""
    variable = f"{PREFIX}PORT"
    context = click.get_current_context(silent=True)
    if context is not None and context.resilient_parsing:
        return ""  # A shell completes the command line: no place for an error.
    value = os.environ.get(variable, "")
    try:
        port = click.IntRange(1, 65535)(DEFAULT_PORT if not value or is_service_link(variable, value) else value)
    except click.BadParameter as problem:
        raise click.UsageError(f"{variable}: {problem.message} Name the server to talk to with --url.") from None
    return f"http://127.0.0.1:{port}"


def server_option(command: F) -> F:
    """Adds the option that selects the server."""
    shown = f"port {PREFIX}PORT of this machine, or {DEFAULT_PORT}"
    meaning = "The server to talk to, if it is not on this machine or has another port."
    return option("--url", default=own_address, show_default=shown, help=meaning)(command)


def server_options(command: F) -> F:
    """Adds the options of a command that is about a whole server."""
    meaning = "The token that the server was started with. Without it, such a server refuses the command."
    token = option("--control-token", default=None, cls=EvenIfEmpty, type=Token(), help=meaning)
    return server_option(token(command))


def at_server(command: F) -> F:
    """Adds the options of a command that is about a sandbox of a running server."""
    meaning = "The sandbox to act on, for example the one of a test."
    complete = completion.names("sandboxes")
    return option("--sandbox", default="default", shell_complete=complete, help=meaning)(server_options(command))


@contextmanager
def connected(url: str, control_token: str | None = None, sandbox: str = "default") -> Iterator[Client]:
    """Yields a client of the server. An error ends the command with a message, Ctrl-C ends it without one, with 130."""
    from simulator.client import Client, Refused, Stranger, Unreachable

    try:
        client = Client(url, sandbox, control_token)
    except ValueError as problem:
        raise click.UsageError(f"{problem}, and name a sandbox with --sandbox") from None
    try:
        yield client
    except Stranger as stranger:
        click.echo(f"apio-simulator: {stranger}. Name the address of one with --url.", err=True)
        sys.exit(1)
    except Unreachable as failure:
        click.echo(f"apio-simulator: {failure}. {_what_to_start(url)}", err=True)
        sys.exit(1)
    except Refused as refused:
        click.echo(f"apio-simulator: {refused.reasons}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _what_to_start(url: str) -> str:
    """Returns a sentence that says how to get a server at the address."""
    address = urlsplit(url)
    if address.scheme != "http" or address.hostname not in LOOPBACK:
        return "Start one there, or name another with --url."
    port = address.port or 80
    serve = "apio-simulator serve" if port == DEFAULT_PORT else f"apio-simulator serve --port {port}"
    return f"Start one with: {serve}"

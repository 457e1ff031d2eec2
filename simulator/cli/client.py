"""The server that a command calls: the options that select it, and the client."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
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


_DEFAULT_IN_WORDS = f"port {PREFIX}PORT of this machine, or {DEFAULT_PORT}"


def _address_option(meaning: str, callback: Callable[..., object], *parameter: str) -> Callable[[F], F]:
    # All take several addresses, so that a second one cannot replace the first one silently.
    return option(
        "--url",
        *parameter,
        multiple=True,
        default=lambda: [own_address()],
        show_default=_DEFAULT_IN_WORDS,
        help=meaning,
        callback=callback,
    )


def _one(_: click.Context, __: click.Parameter, urls: Sequence[str]) -> str:
    if len(urls) > 1:
        raise click.UsageError("this command talks to one server; give --url once")
    return urls[0]


def _different(_: click.Context, __: click.Parameter, urls: Sequence[str]) -> tuple[str, ...]:
    """Return each address once, without a slash at its end."""
    return tuple(dict.fromkeys(url.rstrip("/") for url in urls))


def server_option(command: F) -> F:
    """Adds the option that selects the server."""
    meaning = "The server to talk to, if it is not on this machine or has another port."
    return _address_option(meaning, _one)(command)


def _token_option(command: F) -> F:
    meaning = "The token that the server was started with. Without it, such a server refuses the command."
    return option("--control-token", default=None, cls=EvenIfEmpty, type=Token(), help=meaning)(command)


def _sandbox_option(command: F) -> F:
    meaning = "The sandbox to act on, for example the one of a test."
    complete = completion.names("sandboxes")
    return option("--sandbox", default="default", shell_complete=complete, help=meaning)(command)


def server_options(command: F) -> F:
    """Adds the options of a command that is about a whole server."""
    return server_option(_token_option(command))


def at_server(command: F) -> F:
    """Adds the options of a command that is about a sandbox of a running server."""
    return _sandbox_option(server_options(command))


def at_servers(command: F) -> F:
    """Adds the options of a command that can ask several servers about a sandbox. `urls` are their addresses."""
    meaning = "The server to talk to, if it is not on this machine or has another port. Give it again for more servers."
    return _sandbox_option(_address_option(meaning, _different, "urls")(_token_option(command)))


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


def answers(
    urls: Sequence[str], control_token: str | None, sandbox: str, path: str, query: Mapping[str, object]
) -> dict[str, Any]:
    """Returns what each server answers to a GET about the sandbox, by the server's address.

    Servers that do not have the sandbox are left out if another one has it: it lives on one replica of many. Any other
    error ends the command, so there are always the answers of all servers or none.
    """
    from simulator.client import Refused

    found: dict[str, Any] = {}
    unknown = ""
    for url in urls:
        with connected(url, control_token, sandbox) as client:
            try:
                found[url] = client.get(path, query)
            except Refused as refused:
                if len(urls) == 1:
                    raise
                is_unknown = refused.status == HTTPStatus.NOT_FOUND and refused.faults[0].rule == "G-17"
                if not is_unknown:
                    click.echo(f"apio-simulator: {url}: {refused.reasons}", err=True)
                    sys.exit(1)
                unknown = refused.reasons
    if not found:
        click.echo(f"apio-simulator: none of the {len(urls)} servers has the sandbox: {unknown}", err=True)
        sys.exit(1)
    return found


def _what_to_start(url: str) -> str:
    """Returns a sentence that says how to get a server at the address."""
    address = urlsplit(url)
    if address.scheme != "http" or address.hostname not in LOOPBACK:
        return "Start one there, or name another with --url."
    port = address.port or 80
    serve = "apio-simulator serve" if port == DEFAULT_PORT else f"apio-simulator serve --port {port}"
    return f"Start one with: {serve}"

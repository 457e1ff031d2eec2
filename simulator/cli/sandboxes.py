"""The commands that call a running server: they wait for it, and show or reset its sandboxes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from simulator.cli.client import at_server, connected, server_option
from simulator.cli.output import fail
from simulator.reports.journal import call_text

FOLLOW_SECONDS = 0.5
EVERY_REQUEST = 10**9


@click.command()
@server_option
@click.option("--timeout", default=10.0, show_default=True, help="How long to wait, in seconds.")
def wait(url: str, timeout: float) -> None:
    """Wait until a server is healthy."""
    with connected(url=url, sandbox="default", control_token=None) as client:
        client.wait(timeout)


@click.command()
@at_server
def reset(**server: Any) -> None:
    """Take a sandbox back to its seed."""
    with connected(**server) as client:
        client.call("POST", "reset")


@click.command()
@at_server
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file; as JSON if it ends in .json, else as YAML.",
)
def state(output: Path | None, **server: Any) -> None:
    """Show the state of a sandbox as a fixture, or save it to a file."""
    is_json = output is not None and output.suffix == ".json"
    with connected(**server) as client:
        text = client.call("GET", "state", accept="application/json" if is_json else "application/yaml")
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_bytes(text)
    except OSError as error:
        fail(f"{output}: cannot be written: {error.strerror or error}")


@click.command()
@at_server
@click.option("--follow", is_flag=True, help="Also show new calls, until Ctrl-C.")
def requests(follow: bool, **server: Any) -> None:
    """Show the calls that a sandbox received, and why it refused some."""
    with connected(**server) as client:
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

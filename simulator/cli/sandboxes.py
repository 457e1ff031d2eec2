"""The commands for the sandboxes of a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from simulator.cli import completion
from simulator.cli.client import connected, server_options
from simulator.cli.options import name_argument
from simulator.cli.output import as_json, example, fail, format_option, show

HEADER = ("NAME", "AGE", "IDLE", "REQUESTS", "TENANTS", "USERS", "SNAPSHOTS", "FAULTS")


@click.group(epilog=example("sandbox create test-7", "sandbox list"))
def sandbox() -> None:
    """Make and drop sandboxes, so that tests do not see each other's changes."""


@sandbox.command("list", epilog=example("sandbox list"))
@format_option(use="json is for programs, and shows the size of the journals too.")
@server_options
def list_sandboxes(shape: str, **server: Any) -> None:
    """List the sandboxes of a server: how old they are, how long unused, how much used, and how large."""
    from simulator.reports.text import table

    with connected(**server) as client:
        answer = client.get("sandboxes")
    if shape == "json":
        show(as_json(answer), shape)
        return
    sizes = [name.lower() for name in HEADER[4:]]
    rows = [
        (
            each["name"],
            _time(each["ageSeconds"]),
            _time(each["idleSeconds"]),
            each["requests"],
            *(each["size"][size] for size in sizes),
        )
        for each in answer["sandboxes"]
    ]
    show(table([HEADER, *rows]), shape)


@sandbox.command(epilog=example("sandbox create test-7", "sandbox create test-7 --fixture my-fixture.yaml"))
@name_argument()
@click.option(
    "--fixture",
    type=click.Path(path_type=Path, readable=False),
    help="The fixture that it starts from, if a test needs other data than the server's: a file, or its folder.",
)
@server_options
def create(name: str, fixture: Path | None, **server: Any) -> None:
    """Make the sandbox NAME, and print the base URL for its clients. It replaces a sandbox of this name."""
    from simulator.errors import BrokenDocument
    from simulator.library import create_sandbox
    from simulator.progress import shown

    with connected(**server) as client:
        try:
            with shown(str(fixture or name), sys.stderr) as progress:
                progress("making the sandbox", None)
                made = create_sandbox(client, name, fixture)
        except BrokenDocument as broken:
            fail(broken)
    click.echo(made.url)


@sandbox.command(epilog=example("sandbox drop test-7"))
@name_argument(shell_complete=completion.names("sandboxes"))
@server_options
def drop(name: str, **server: Any) -> None:
    """Drop the sandbox NAME, with everything in it."""
    with connected(**server) as client:
        client.call("DELETE", f"sandboxes/{quote(name, safe='')}")


def _time(seconds: int) -> str:
    """Returns how long ago something was as text, in the largest unit that fits."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"

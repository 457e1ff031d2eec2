"""The commands for the state of a sandbox: show, compare, keep, restore and reset it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from simulator.cli import completion
from simulator.cli.client import at_server, connected
from simulator.cli.options import name_argument
from simulator.cli.output import as_json, example, fail, format_option, in_colour, show


@click.command(epilog=example("reset", "reset --sandbox test-7"))
@at_server
def reset(**server: Any) -> None:
    """Take a sandbox back to its seed.

    Sessions, journal, faults and coverage are cleared. Snapshots stay.
    """
    with connected(**server) as client:
        client.call("POST", "reset")


@click.command(epilog=example("state", "state --output state.yaml"))
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Save it to this file, to use it as a fixture: in JSON if the name ends in .json, else in YAML.",
)
@click.option(
    "--format",
    "shape",
    type=click.Choice(["yaml", "json"]),
    show_default="yaml, or what the name of the file says",
    help="How to write it: yaml is for people, json for programs.",
)
@at_server
def state(output: Path | None, shape: str | None, **server: Any) -> None:
    """Show the state of a sandbox as a fixture, or save it to a file."""
    from simulator.progress import shown

    wanted = shape or ("json" if output is not None and output.suffix == ".json" else "yaml")
    with connected(**server) as client, shown(f"state of {client.sandbox}", sys.stderr) as progress:
        text = client.call("GET", "state", accept=f"application/{wanted}", progress=progress)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_bytes(text)
    except OSError as error:
        fail(f"{output}: cannot be written: {error.strerror or error}")


@click.command(epilog=example("diff", "diff --since start --format json"))
@click.option(
    "--since",
    default="seed",
    show_default=True,
    metavar="SNAPSHOT",
    shell_complete=completion.names("snapshots"),
    help="The snapshot to compare with, to see the changes of a part of a test only.",
)
@format_option(use="json is for programs, and shows long values whole.")
@at_server
def diff(since: str, shape: str, **server: Any) -> None:
    """Show what has changed in a sandbox since its seed or a snapshot.

    `+` marks what was added, `-` what was removed, and `~` what was replaced.
    """
    from simulator.progress import shown
    from simulator.reports.journal import change_text

    with connected(**server) as client, shown(f"diff of {client.sandbox}", sys.stderr) as progress:
        answer = client.get("diff", {"since": since}, progress)
    if shape == "json":
        show(as_json(answer), shape)
        return
    for change in answer["changes"]:
        click.echo(change_text(change, in_colour))
    if not answer["changes"]:
        what = "the seed" if since == "seed" else f"the snapshot {since!r}"
        click.echo(f"apio-simulator: nothing has changed since {what}", err=True)


@click.group(epilog=example("snapshot take start", "snapshot restore start"))
def snapshot() -> None:
    """Keep the state of a sandbox under a name, and return to it."""


NAME = name_argument(shell_complete=completion.names("snapshots"))


def _path(name: str) -> str:
    return f"snapshots/{quote(name, safe='')}"


@snapshot.command(epilog=example("snapshot take start"))
@name_argument()
@at_server
def take(name: str, **server: Any) -> None:
    """Keep the present state under NAME. It replaces an older snapshot of this name."""
    with connected(**server) as client:
        client.call("PUT", _path(name))


@snapshot.command(epilog=example("snapshot restore start"))
@NAME
@at_server
def restore(name: str, **server: Any) -> None:
    """Take the state back to the snapshot NAME. Sessions, journal, faults and coverage stay."""
    with connected(**server) as client:
        client.call("POST", f"{_path(name)}/restore")


@snapshot.command("list", epilog=example("snapshot list"))
@format_option()
@at_server
def list_snapshots(shape: str, **server: Any) -> None:
    """List the snapshots of a sandbox, and when they were taken."""
    from simulator.reports.text import table

    with connected(**server) as client:
        answer = client.get("snapshots")
    if shape == "json":
        show(as_json(answer), shape)
    elif answer["snapshots"]:
        rows = [(each["name"], each["takenAt"]) for each in answer["snapshots"]]
        show(table([("NAME", "TAKEN AT"), *rows]), shape)
    else:
        click.echo(f"apio-simulator: no snapshots in the sandbox {server['sandbox']!r}", err=True)


@snapshot.command(epilog=example("snapshot drop start"))
@NAME
@at_server
def drop(name: str, **server: Any) -> None:
    """Forget the snapshot NAME. The state stays as it is."""
    with connected(**server) as client:
        client.call("DELETE", _path(name))

"""The command that replaces the state of a running server's sandbox."""

from __future__ import annotations

import sys
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from simulator.cli.client import at_server, connected
from simulator.cli.fixtures import STANDARD_INPUT, standard_input
from simulator.cli.output import example, fail

if TYPE_CHECKING:
    from simulator.document import Document

SECONDS = 120
"""How long the server may take for a large fixture."""


@click.command(epilog=example("load my-fixture.yaml", "load my-fixture.yaml --sandbox test-7"))
@at_server
@click.argument("file", type=click.Path(readable=False, allow_dash=True))
def load(file: str, **server: Any) -> None:
    """Replace the state of a sandbox by a fixture.

    FILE is a YAML or JSON file, a folder as for `serve --fixtures`, or - for standard input. It reads what
    `state --output FILE` has written. If the fixture has mistakes, all of them are listed, and the state stays as it
    is. The seed stays too: a reset goes back to it.
    """
    from simulator.client import Refused
    from simulator.errors import BrokenDocument
    from simulator.library import load_state

    with connected(**server) as client:
        try:
            load_state(replace(client, timeout=SECONDS), _document(file))
        except BrokenDocument as broken:
            fail(broken)
        except Refused as refused:
            if refused.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                raise
            click.echo(f"apio-simulator: {refused.reasons}; start the server with a larger --max-state", err=True)
            sys.exit(1)


def _document(file: str) -> Document:
    """Returns the document of a fixture, or of standard input. Shows the progress on a terminal.

    Raises `BrokenDocument`.
    """
    from simulator.document import read_document, read_stream
    from simulator.fixture.folder import fixture_file
    from simulator.progress import shown

    if file != "-":
        path = fixture_file(Path(file))
        with shown(str(path), sys.stderr) as progress:
            return read_document(path, progress)
    with shown(STANDARD_INPUT, sys.stderr) as progress:
        return read_stream(STANDARD_INPUT, standard_input(), progress)

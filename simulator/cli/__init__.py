"""The command line. Each command imports what only it needs: `wait` must not take half a second to begin."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

import click

from simulator import __version__
from simulator.cli.fixtures import schema, validate
from simulator.cli.options import PREFIX
from simulator.cli.output import fail
from simulator.cli.reports import coverage, errors
from simulator.cli.sandboxes import requests, reset, state, wait
from simulator.cli.serving import serve


class Commands(click.Group):
    """Ends with a one-line message if the disk is full. If the reader of a pipe is gone, click handles it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Carry out a command."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            # Otherwise Python would try once more to write the rest when it exits.
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


for _command in (serve, validate, schema, wait, reset, state, requests, coverage, errors):
    main.add_command(_command)

"""The command line. Each command imports what only it needs: `wait` must not take half a second to begin."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from simulator import __version__
from simulator.cli.calls import fault, requests
from simulator.cli.conform import conform
from simulator.cli.fixtures import schema, validate
from simulator.cli.init import init
from simulator.cli.lab import import_world
from simulator.cli.load import load
from simulator.cli.options import PREFIX, service_links
from simulator.cli.output import LOGS_JSON, colour_wanted, example, fail, logs_json
from simulator.cli.reports import coverage, errors, rule
from simulator.cli.sandboxes import sandbox
from simulator.cli.serving import serve, wait, wants_json
from simulator.cli.state import diff, reset, snapshot, state

SECTIONS: Mapping[str, Sequence[click.Command]] = {
    "Serve": (serve, wait),
    "Fixtures": (init, validate, schema),
    "State": (state, load, snapshot, diff, reset, sandbox),
    "Calls and faults": (requests, fault, coverage),
    "Laboratory": (import_world, conform),
    "Reference": (errors, rule),
}
"""All commands, in the sections and the order of the help."""


class Commands(click.Group):
    """Shows its commands in sections, and ends with a one-line message if the disk is full.

    If the reader of a pipe is gone, click handles it. If `serve` logs in JSON, mistakes in its options are JSON, too.
    """

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's
        """Write the commands into the help."""
        width = max(map(len, self.commands))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                limit = formatter.width - width - 6
                formatter.write_dl([(f"{each.name:{width}}", each.get_short_help_str(limit)) for each in commands])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command. Note whether it logs in JSON."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is serve:
            ctx.meta[LOGS_JSON] = wants_json(rest)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Carry out a command."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            if not logs_json():
                raise
            fail(error.format_message())
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            # Otherwise Python would try once more to write the rest when it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            fail(f"apio-simulator: the output cannot be written: {error.strerror}")


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example("serve", "requests --follow", "COMMAND --help"),
)
@click.version_option(__version__, prog_name="apio-simulator", message="%(prog)s %(version)s")
@click.pass_context
def main(ctx: click.Context) -> None:
    """A stand-in for two services of the APIO telephony provisioning API."""
    ctx.color = colour_wanted(os.environ)
    known = {str(parameter.envvar) for command in every_command(main).values() for parameter in command.params}
    ignored = service_links(os.environ)
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in {*known, *ignored})
    if unknown:
        choices = ", ".join(sorted(known - {"None"}))
        raise click.UsageError(f"the environment variable {unknown[0]} is not known; known are {choices}")


def every_command(group: click.Group, prefix: str = "") -> dict[str, click.Command]:
    """Returns the commands of a group and of the groups in it, by their whole names, such as `snapshot take`."""
    commands: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        inside = every_command(command, f"{prefix}{name} ") if isinstance(command, click.Group) else {}
        commands |= inside or {prefix + name: command}
    return commands


for _section in SECTIONS.values():
    for _command in _section:
        main.add_command(_command)

"""How the commands print: reports, colours, examples and errors."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

import click

from simulator.cli.options import F

COLOURS = {"2": "green", "3": "cyan", "4": "yellow", "5": "red", "c": "red", "+": "green", "-": "red", "~": "yellow"}
"""By the first character of a status (`closed` is one too) or of a change's sign."""
LOGS_JSON = "simulator.cli.logs_json"
"""Where a command's context notes that the command logs in JSON."""


def show(report: str, shape: str) -> None:
    """Print a report. Text has the terminal's encoding; all other formats are UTF-8, because programs read them."""
    click.echo(report if shape == "text" else report.encode())


def as_json(value: object) -> str:
    """Returns a value as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def format_option(*more: str, use: str = "json is for programs.") -> Callable[[F], F]:
    """Adds the option that selects the format of what is printed: text, JSON, or one of those named here."""
    return click.option(
        "--format",
        "shape",
        default="text",
        show_default=True,
        type=click.Choice(("text", "json", *more)),
        help=f"How to print it: {use}",
    )


def example(*commands: str) -> str:
    """Returns the end of a command's help: examples, each a line for the shell."""
    title = "Example:" if len(commands) == 1 else "Examples:"
    return "\n".join(["\b", title, *(f"  apio-simulator {command}" for command in commands)])


def in_colour(text: str) -> str:
    """Returns a status or a sign in its colour. `click.echo` removes the colour where no terminal shows it."""
    return click.style(text, fg=COLOURS.get(text[:1]))


def colour_wanted(environment: Mapping[str, str]) -> bool | None:
    """Returns whether the user wants colours (https://no-color.org); `None` means on a terminal only."""
    if environment.get("NO_COLOR"):
        return False
    return True if environment.get("FORCE_COLOR") else None


def fail(problem: object) -> NoReturn:
    """Print a problem to standard error, and exit with 2. If the log is JSON, each line is one of the log."""
    if logs_json():
        from simulator.log import json_line

        problem = "\n".join(json_line(logging.CRITICAL, message=line) for line in str(problem).splitlines())
    click.echo(problem, err=True)
    sys.exit(2)


def logs_json() -> bool:
    """Whether the command logs in JSON. Then everything that it prints is JSON."""
    context = click.get_current_context(silent=True)
    return context is not None and context.meta.get(LOGS_JSON, False)

"""What the commands print."""

from __future__ import annotations

import sys
from typing import NoReturn

import click


def show(report: str, shape: str) -> None:
    """Print a report: text for the terminal as that wants it, what programs read as UTF-8 wherever it goes."""
    click.echo(report if shape == "text" else report.encode())


def fail(problem: object) -> NoReturn:
    """Say what there is to mend, and exit."""
    click.echo(problem, err=True)
    sys.exit(2)

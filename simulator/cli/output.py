"""Prints reports and errors."""

from __future__ import annotations

import sys
from typing import NoReturn

import click


def show(report: str, shape: str) -> None:
    """Print a report. Text has the terminal's encoding; all other formats are UTF-8, because programs read them."""
    click.echo(report if shape == "text" else report.encode())


def fail(problem: object) -> NoReturn:
    """Print a problem to standard error, and exit with 2."""
    click.echo(problem, err=True)
    sys.exit(2)

"""Prints reports and errors."""

from __future__ import annotations

import logging
import sys
from typing import NoReturn

import click

LOGS_JSON = "simulator.cli.logs_json"
"""Where a command's context notes that the command logs in JSON."""


def show(report: str, shape: str) -> None:
    """Print a report. Text has the terminal's encoding; all other formats are UTF-8, because programs read them."""
    click.echo(report if shape == "text" else report.encode())


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

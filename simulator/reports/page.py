"""Fills in the package's templates: HTML pages and TOML settings."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = Path(__file__).parents[1]


def render(template: str, **values: object) -> str:
    """Returns a template, filled in with the values. `template` is a path below the package.

    Templates that end in `.html` escape the values. Raises `jinja2.UndefinedError` if a value is missing.
    """
    return _environment().get_template(template).render(values)


def render_file(template: Path, **values: object) -> str:
    """Returns the template in a file, filled in with the values. Nothing is escaped. Raises like `render`."""
    return _environment().from_string(template.read_text(encoding="utf-8")).render(values)


@cache
def _environment() -> Environment:
    # Most commands show no page, and should not wait for Jinja to load.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=FileSystemLoader(PACKAGE),
        autoescape=select_autoescape(["html"], default_for_string=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )

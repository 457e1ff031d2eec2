"""Documents made from the templates of the package: pages in HTML, and settings in TOML."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = Path(__file__).parents[1]


def render(template: str, **values: object) -> str:
    """The document that a template makes of these values; `template` is a path below the package.

    A template that ends in `.html` escapes what it shows. Raises `jinja2.UndefinedError` for a value that is missing.
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    # Most commands show no page, and must not wait for Jinja.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=FileSystemLoader(PACKAGE),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )

"""Options that can also be set by an environment variable, and the types of their values."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from simulator.settings import DEFAULTS, Settings

PREFIX = "APIO_SIMULATOR_"

F = TypeVar("F", bound=Callable[..., Any])

if TYPE_CHECKING:
    TextType = click.ParamType[str]
else:
    # Generic since click 8.4; other packages of the same environment may need an older one.
    TextType = click.ParamType


def option(name: str, *parameter: str, **attributes: Any) -> Callable[[F], F]:
    """Adds an option that can also be set by an environment variable. The option wins."""
    variable = PREFIX + name.removeprefix("--").replace("-", "_").upper()
    attributes = {"show_default": True, **attributes}
    return click.option(name, *parameter, envvar=variable, show_envvar=True, **attributes)


def limit(name: str, meaning: str) -> Callable[[F], F]:
    """Adds an option for a number in the settings, with the default and the lower bound that it has there."""
    setting = name.removeprefix("--").replace("-", "_")
    kind = click.IntRange(min=Settings.least(setting))
    return option(name, default=getattr(DEFAULTS, setting), type=kind, help=meaning)


class EvenIfEmpty(click.Option):
    """An option whose environment variable also counts if it is empty."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:  # noqa: ARG002  # click's signature
        """Returns the value of the variable."""
        return os.environ.get(str(self.envvar))


class Origin(TextType):
    """An origin as browsers send it: scheme, host and perhaps a port."""

    name = "origin"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the origin. Fails if it is not valid."""
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s]+|null", value):
            self.fail(f"{value!r} is no origin; write it like http://localhost:3000, without a path", param, ctx)
        return str(value)


class Host(TextType):
    """The name or address of a host, without a port, or `*` for any host."""

    name = "host"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the host. Fails if it is not valid."""
        if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*|\*", value):
            self.fail(
                f"{value!r} is no host; write it like simulator, without scheme and port, or * for any", param, ctx
            )
        return str(value)


class Token(TextType):
    """The bearer token that the control interface demands."""

    name = "token"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the token. Fails if it is not valid."""
        try:
            return str(Settings(control_token=value).control_token)
        except ValueError as problem:
            self.fail(f"{problem}; without the option and its variable, there is no token", param, ctx)

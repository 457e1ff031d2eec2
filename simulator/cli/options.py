"""Options that can also be set by an environment variable, and the types of their values."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from simulator.settings import DEFAULTS, Settings

PREFIX = "APIO_SIMULATOR_"

_SERVICE_LINK = re.compile(
    # The name of the service may go on, like apio-simulator-web. The shortest match tells which part is the name.
    rf"{PREFIX}(\w+?_)??"
    r"(?P<end>SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?|NAME|ENV_\w+)"
)
_LINKED_VALUES = {"PORT": r"(tcp|udp|sctp)://", "NAME": r"/.+/."}
"""How the value must begin, if the end of the name is not enough to be sure."""

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


def name_argument(name: str = "name", **attributes: Any) -> Callable[[F], F]:
    """Adds an argument that names something on the server. An empty one is refused: nothing can have that name."""
    return click.argument(name, callback=_not_empty, **attributes)


def _not_empty(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value == "":
        raise click.BadParameter("it is empty; perhaps a variable of the shell is not set.")
    return value


def is_service_link(name: str, value: str) -> bool:
    """Returns whether this variable only tells where a service is, and is no option.

    Kubernetes sets such variables in all containers that start after a Service, unless a pod says
    `enableServiceLinks: false`. Links of Docker set them too. For a Service `apio-simulator` their names begin as those
    of our options do. Sources: "Accessing the Service" in the Kubernetes documentation; "Legacy container links" in
    Docker's.
    """
    shape = _SERVICE_LINK.fullmatch(name)
    return shape is not None and re.match(_LINKED_VALUES.get(shape["end"], ""), value) is not None


def service_links(environment: Mapping[str, str]) -> list[str]:
    """Returns the names of the variables that begin with `PREFIX`, but only tell where a service is."""
    return sorted(name for name, value in environment.items() if is_service_link(name, value))


class EvenIfEmpty(click.Option):
    """An option whose environment variable also counts if it is empty."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:  # noqa: ARG002  # click's signature
        """Returns the value of the variable."""
        return os.environ.get(str(self.envvar))


class UnlessServiceLink(click.Option):
    """An option whose environment variable does not count if it only tells where a service is."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Returns the value of the variable."""
        value = super().resolve_envvar_value(ctx)
        return None if value is None or is_service_link(str(self.envvar), value) else value


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

"""apio-simulator: a stand-in for two services of the APIO telephony provisioning API."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from simulator.app import create_app as create_app
    from simulator.client import Refused as Refused
    from simulator.client import Unreachable as Unreachable
    from simulator.errors import BrokenDocument as BrokenDocument
    from simulator.library import Sandbox as Sandbox
    from simulator.library import Simulator as Simulator
    from simulator.server import AddressUnavailable as AddressUnavailable

# The modules that define the public names. A name is only imported when it is used, because the imports are slow.
_HOMES = {
    "AddressUnavailable": "simulator.server",
    "BrokenDocument": "simulator.errors",
    "Refused": "simulator.client",
    "Sandbox": "simulator.library",
    "Simulator": "simulator.library",
    "Unreachable": "simulator.client",
    "create_app": "simulator.app",
}

if not TYPE_CHECKING:  # so that type checkers report unknown names

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

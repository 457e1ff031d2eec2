"""The server: `server` listens at an address, `connection` serves one client, `reading` turns bytes into requests."""

from simulator.server.server import (
    CONNECTIONS,
    GRACE_SECONDS,
    SIGNAL_SECONDS,
    AddressUnavailable,
    Server,
    allow_files,
    run_until_stopped,
)

__all__ = [
    "CONNECTIONS",
    "GRACE_SECONDS",
    "SIGNAL_SECONDS",
    "AddressUnavailable",
    "Server",
    "allow_files",
    "run_until_stopped",
]

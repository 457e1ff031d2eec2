"""The server: an address with its clients (`server`), each a `connection` whose bytes become requests (`reading`)."""

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

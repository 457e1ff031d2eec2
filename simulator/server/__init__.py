"""The server: bytes to requests (`reading`), requests to answers (`connection`), an address with its clients (`server`)."""

from simulator.server.server import (
    CONNECTIONS,
    GRACE_SECONDS,
    SIGNAL_SECONDS,
    AddressUnavailable,
    Server,
    run_until_stopped,
)

__all__ = ["CONNECTIONS", "GRACE_SECONDS", "SIGNAL_SECONDS", "AddressUnavailable", "Server", "run_until_stopped"]

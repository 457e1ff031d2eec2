"""The server: `server` runs the application, `listening` accepts clients, `connection` serves one of them.

`reading` turns bytes into requests, `workers` are threads for long calls, `process` sets up a process that only serves.
"""

from simulator.server.listening import AddressUnavailable
from simulator.server.process import CONNECTIONS, SIGNAL_SECONDS, allow_files, run_until_stopped
from simulator.server.server import GRACE_SECONDS, Server

__all__ = [
    "CONNECTIONS",
    "GRACE_SECONDS",
    "SIGNAL_SECONDS",
    "AddressUnavailable",
    "Server",
    "allow_files",
    "run_until_stopped",
]

"""What can happen in a sandbox, for those who watch it (S-13)."""

from __future__ import annotations

from typing import NamedTuple

from simulator.state.journal import Exchange

REQUEST, GAP = "request", "gap"
"""A call came into the journal; calls were forgotten, or the journal was cleared."""
STATE, FAULTS, SNAPSHOTS, RESET = "state", "faults", "snapshots", "reset"
"""These have changed; the sandbox began anew."""
SANDBOXES = "sandboxes"
"""A sandbox of the server was made or dropped."""


class Event(NamedTuple):
    """Something that has happened. Its `position` is in the order of the journal. Only a call has an `exchange`."""

    position: int
    kind: str
    exchange: Exchange | None = None

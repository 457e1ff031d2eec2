"""What can happen in a sandbox, for those who watch it (S-13)."""

from __future__ import annotations

from simulator.state.journal import Exchange

REQUEST, GAP = "request", "gap"
"""A call came into the journal; calls were forgotten, or the journal was cleared."""
STATE, FAULTS, SNAPSHOTS, RESET = "state", "faults", "snapshots", "reset"
"""These have changed; the sandbox began anew."""
SANDBOXES = "sandboxes"
"""A sandbox of the server was made or dropped."""


Event = tuple[int, str, Exchange | None]
"""Something that has happened: its position in the order of the journal, its kind, and the call if it is one.

A plain tuple, because a busy sandbox has thousands of them in a second.
"""

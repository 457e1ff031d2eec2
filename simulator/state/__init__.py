"""Everything that changes: worlds, sandboxes, and what is kept of calls."""

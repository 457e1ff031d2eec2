"""Worlds, the sandboxes that go from one world to the next, and what is kept of calls."""

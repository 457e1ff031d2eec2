from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _disk_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for the disk would take most of the time. `test_ledger.py` looks at what is waited for."""
    monkeypatch.setattr(os, "fsync", lambda _: None)

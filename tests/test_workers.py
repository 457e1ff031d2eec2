"""What surrounds the jobs of the worker threads in a process that does nothing else."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from simulator.server.workers import MANY_OBJECTS, Uncollected


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


def test_nobody_looks_for_garbage_before_the_last_job_is_done() -> None:
    around = Uncollected()
    with around():
        assert not gc.isenabled()
        with around():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_a_large_job_leaves_behind_is_never_looked_at_and_what_a_small_one_leaves_is() -> None:
    around = Uncollected()
    gc.collect()
    before = gc.get_freeze_count()
    with around():
        small: list[object] = [[] for _ in range(10)]
    assert gc.get_freeze_count() == before
    with around():
        large: list[object] = [[] for _ in range(2 * MANY_OBJECTS)]
    assert gc.get_freeze_count() >= before + len(large) + len(small)

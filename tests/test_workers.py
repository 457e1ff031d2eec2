"""The worker threads, and the garbage collection of a process that only serves."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from simulator.server.process import THRESHOLDS, collect_in_pieces
from simulator.server.workers import Workers


@pytest.fixture
def collecting() -> Iterator[None]:
    before, callbacks = gc.get_threshold(), list(gc.callbacks)
    collect_in_pieces()
    yield
    gc.set_threshold(*before)
    gc.callbacks[:] = callbacks
    gc.unfreeze()


@pytest.mark.usefixtures("collecting")
def test_what_a_full_collection_has_left_is_not_looked_at_again() -> None:
    assert gc.get_threshold() == THRESHOLDS
    kept: list[object] = [[]]
    gc.collect()
    assert not any(each is kept for each in gc.get_objects())


class Thing:
    """An object that a job uses."""

    def work(self) -> None:
        pass


def test_a_thread_that_waits_for_a_job_does_not_keep_the_last_one() -> None:
    over: SimpleQueue[object] = SimpleQueue()
    workers = Workers(1, over.put)
    thing = Thing()
    gone = weakref.ref(thing)
    workers.submit("key", thing.work)
    del thing
    over.get(timeout=10)
    assert gone() is None
    workers.stop()

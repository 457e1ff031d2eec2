"""Threads for long work, which must not block the loop."""

from __future__ import annotations

import gc
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from queue import SimpleQueue

Job = Callable[[], object]

MANY_OBJECTS = 50_000
"""With more new objects than this, garbage collection takes too long."""


class Workers:
    """A few threads that do jobs. Jobs with the same key are done one at a time, in their order.

    `around` returns a context manager in which each job is done. `submit` and `stop` are called from one thread only;
    `hand_over` runs a function on that thread. A job must not raise. The threads start with the first job, and end with
    the process.
    """

    def __init__(self, threads: int, hand_over: Callable[[Callable[[], object]], object]) -> None:
        self._threads = threads
        self._hand_over = hand_over
        self._running = 0
        self._queue: SimpleQueue[tuple[str, Job] | None] = SimpleQueue()
        self._waiting: dict[str, deque[Job]] = {}
        self.around: Callable[[], AbstractContextManager[object]] = nullcontext

    def submit(self, key: str, job: Job) -> None:
        """Do a job as soon as a thread is free and all earlier jobs with its key are done."""
        while self._running < self._threads:
            self._running += 1
            threading.Thread(target=self._work, name="apio-simulator-worker", daemon=True).start()
        if key in self._waiting:
            self._waiting[key].append(job)
        else:
            self._waiting[key] = deque()
            self._queue.put((key, job))

    def stop(self) -> None:
        """End the threads. A busy thread ends after its job."""
        for _ in range(self._running):
            self._queue.put(None)

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            key, job = task
            with self.around():
                job()
            self._hand_over(partial(self._next, key))

    def _next(self, key: str) -> None:
        waiting = self._waiting[key]
        if waiting:
            self._queue.put((key, waiting.popleft()))
        else:
            del self._waiting[key]


class Uncollected:
    """Stops garbage collection during a job, because all threads have to wait for it.

    The objects that a large job leaves behind are not searched later either. They are freed when nothing refers to them
    any more. Use this only in a process that does nothing but serve.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Returns a context manager for one job."""
        with self._lock:
            self._jobs += 1
            gc.disable()
        try:
            yield
        finally:
            with self._lock:
                self._jobs -= 1
                if not self._jobs:
                    if gc.get_count()[0] > MANY_OBJECTS:
                        gc.freeze()
                    gc.enable()

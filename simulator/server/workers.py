"""Threads for long work, which must not block the loop."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

Job = Callable[[], object]


class Workers:
    """A few threads that do jobs. Jobs with the same key are done one at a time, in their order.

    `submit` and `stop` are called from one thread only; `hand_over` runs a function on that thread. A job must not
    raise. The threads start with the first job, and end with the process.
    """

    def __init__(self, threads: int, hand_over: Callable[[Callable[[], object]], object]) -> None:
        self._threads = threads
        self._hand_over = hand_over
        self._running = 0
        self._queue: SimpleQueue[tuple[str, Job] | None] = SimpleQueue()
        self._waiting: dict[str, deque[Job]] = {}

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
            job()
            # While the thread waits for the next job, it must not keep this one and its data in memory.
            del task, job
            self._hand_over(partial(self._next, key))

    def _next(self, key: str) -> None:
        waiting = self._waiting[key]
        if waiting:
            self._queue.put((key, waiting.popleft()))
        else:
            del self._waiting[key]

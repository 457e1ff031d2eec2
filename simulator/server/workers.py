"""Threads for what takes long and must not hold up the loop."""

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
"""After how many new objects it takes too long to look through them for garbage."""


class Workers:
    """A few threads that do jobs; of those with the same key one at a time, in the order they came.

    `around` surrounds each job. `submit` and `stop` are called from one thread only; `hand_over` takes a function from
    any thread to that one. A job must not raise. The threads start with the first job and die with the process.
    """

    def __init__(self, threads: int, hand_over: Callable[[Callable[[], object]], object]) -> None:
        self._threads = threads
        self._hand_over = hand_over
        self._running = 0
        self._queue: SimpleQueue[tuple[str, Job] | None] = SimpleQueue()
        self._waiting: dict[str, deque[Job]] = {}
        self.around: Callable[[], AbstractContextManager[object]] = nullcontext

    def submit(self, key: str, job: Job) -> None:
        """Do a job as soon as a thread is free and those with its key are done."""
        while self._running < self._threads:
            self._running += 1
            threading.Thread(target=self._work, name="apio-simulator-worker", daemon=True).start()
        if key in self._waiting:
            self._waiting[key].append(job)
        else:
            self._waiting[key] = deque()
            self._queue.put((key, job))

    def stop(self) -> None:
        """End the threads; one that is busy ends after its job."""
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
    """Keeps the garbage collector from running while a job is done: all threads wait until it has looked at everything.

    Of what a large job leaves behind it looks at nothing later either; it goes when nobody holds it any more. This is
    for processes whose only business is the server.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Surround a job."""
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

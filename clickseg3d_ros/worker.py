"""A thread that runs jobs one at a time: a queue that loses nothing and slots where newest wins."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

Job = Callable[[], None]


class Worker:
    """One thread for one owner of state, so that nothing else needs a lock.

    Posted jobs run in order, before any slot. A slot holds one waiting job; a newer job takes its
    place. Slots run in the order in which they were first filled.

    Args:
        name: Of the thread.
        on_crash: Called in the thread with an exception that a job let out; the thread ends.
    """

    def __init__(self, name: str, on_crash: Callable[[BaseException], None]) -> None:
        self._queue: deque[Job] = deque()
        self._slots: dict[str, tuple[float, Job]] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._on_crash = on_crash
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def post(self, job: Job) -> None:
        """Run a job after all posted before it."""
        with self._changed:
            self._queue.append(job)
            self._changed.notify()

    def replace(self, slot: str, job: Job, *, not_before: float = 0.0) -> None:
        """Let a job take the place of the one that waits in its slot.

        Args:
            slot: Name of the slot.
            job: The job.
            not_before: `time.monotonic` seconds before which the job does not start.
        """
        with self._changed:
            self._slots[slot] = (not_before, job)
            self._changed.notify()

    def clear(self, slot: str) -> None:
        """Forget the job that waits in a slot."""
        with self._changed:
            self._slots.pop(slot, None)

    def stop(self) -> None:
        """End after the running job, forget the others and wait for the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def join(self, timeout: float) -> None:
        """Wait for the end of the thread, seconds."""
        self._thread.join(timeout)

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                job()
            except Exception as error:
                self._on_crash(error)
                return
            del job  # what it held (a cloud) must not live until the next one comes

    def _next(self) -> Job | None:
        with self._changed:
            while not self._stopping:
                if self._queue:
                    return self._queue.popleft()
                now = time.monotonic()
                for slot, (start, job) in self._slots.items():
                    if start <= now:
                        del self._slots[slot]
                        return job
                starts = [start - now for start, _ in self._slots.values()]
                self._changed.wait(min(starts) if starts else None)
        return None

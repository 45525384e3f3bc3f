"""A predictor on its own threads, which take work from an inbox. The engine and the shadow use it."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

from model.predictor import Predictor
from model.self_test import self_test
from worker.broker.deadline import Deadline

T = TypeVar("T")


class PredictorThreads(Generic[T]):
    """Warms `predictor` up and tests it. Then calls `handle` for each item of the inbox, on `count` threads.

    An error ends the thread on which it is raised; the thread passes it to `ended_by`.
    """

    def __init__(
        self,
        name: str,
        predictor: Predictor,
        *,
        count: int,
        handle: Callable[[T], None],
        ended_by: Callable[[Exception], None],
    ) -> None:
        self.predictor = predictor
        self._handle = handle
        self._ended_by = ended_by
        self._inbox: SimpleQueue[T | None] = SimpleQueue()
        self._warm = threading.Event()
        # Daemons, so that an engine that hangs does not delay the exit of the process.
        self._threads = [
            threading.Thread(
                target=self._warm_up_and_run if number == 0 else self._run, name=f"{name}-{number}", daemon=True
            )
            for number in range(count)
        ]

    @property
    def warm(self) -> bool:
        """Whether the predictor has warmed up and passed its test."""
        return self._warm.is_set()

    @property
    def waiting(self) -> int:
        """How many items wait in the inbox."""
        return self._inbox.qsize()

    def start(self) -> None:
        """Start, unless it is started."""
        if not self._threads[0].is_alive():
            self._threads[0].start()

    def put(self, item: T) -> None:
        """Add an item to the inbox; never blocks."""
        self._inbox.put(item)

    def close(self, *, timeout_s: float) -> None:
        """Finish the items in the inbox and end. Leave threads behind that hang longer than `timeout_s`."""
        deadline = Deadline(timeout_s)
        for _ in self._threads:
            self._inbox.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(deadline.left_s)

    def _warm_up_and_run(self) -> None:
        try:
            self.predictor.warm_up()
            self_test(self.predictor)
            for thread in self._threads[1:]:
                thread.start()  # raises if the system allows no more threads
        except Exception as exc:  # noqa: BLE001 - not swallowed, see `ended_by`
            self._ended_by(exc)
            return
        self._warm.set()
        self._run()

    def _run(self) -> None:
        try:
            while (item := self._inbox.get()) is not None:
                self._handle(item)
        except Exception as exc:  # noqa: BLE001 - not swallowed, see `ended_by`
            self._ended_by(exc)

"""A predictor in threads of its own, fed through an inbox: what the engine and the shadow have in common."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

from model.predictor import Predictor
from model.self_test import self_test

T = TypeVar("T")


class PredictorThreads(Generic[T]):
    """Warms `predictor` up and tests it, then gives `handle` what is put in, in order.

    `count` are handled at once. What is raised meanwhile ends the thread that it happened on, which tells `ended_by`.
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
        # Daemons: an engine that hangs must not keep a process alive that was told to exit.
        self._threads = [
            threading.Thread(
                target=self._warm_up_and_run if number == 0 else self._run, name=f"{name}-{number}", daemon=True
            )
            for number in range(count)
        ]

    @property
    def warm(self) -> bool:
        """Whether the predictor has run once and passed its test."""
        return self._warm.is_set()

    @property
    def waiting(self) -> int:
        """How many are put in and not begun."""
        return self._inbox.qsize()

    def start(self) -> None:
        """Begin, unless it has begun."""
        if not self._threads[0].is_alive():
            self._threads[0].start()

    def put(self, one: T) -> None:
        """Hand over what `handle` takes; never blocks."""
        self._inbox.put(one)

    def close(self, *, timeout_s: float) -> None:
        """End after what it has; one that hangs is left behind."""
        deadline_s = time.monotonic() + timeout_s
        for _ in self._threads:
            self._inbox.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, deadline_s - time.monotonic()))

    def _warm_up_and_run(self) -> None:
        try:
            self.predictor.warm_up()
            self_test(self.predictor)
            for thread in self._threads[1:]:
                thread.start()  # where threads are limited it raises
        except Exception as exc:  # noqa: BLE001 - not swallowed, see `ended_by`
            self._ended_by(exc)
            return
        self._warm.set()
        self._run()

    def _run(self) -> None:
        try:
            while (one := self._inbox.get()) is not None:
                self._handle(one)
        except Exception as exc:  # noqa: BLE001 - not swallowed, see `ended_by`
            self._ended_by(exc)

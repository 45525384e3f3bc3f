"""A predictor in a thread of its own, fed through an inbox: what the engine and the shadow have in common."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

from model.predictor import Predictor
from model.self_test import self_test

T = TypeVar("T")


class PredictorThread(Generic[T]):
    """Warms `predictor` up and tests it, then gives `handle` what is put in, in order.

    What is raised meanwhile ends it and goes to `ended_by`; both are called on the thread.
    """

    def __init__(
        self, name: str, predictor: Predictor, *, handle: Callable[[T], None], ended_by: Callable[[Exception], None]
    ) -> None:
        self.predictor = predictor
        self._handle = handle
        self._ended_by = ended_by
        self._inbox: SimpleQueue[T | None] = SimpleQueue()
        self._warm = threading.Event()
        # A daemon: an engine that hangs must not keep a process alive that was told to exit.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

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
        if not self._thread.is_alive():
            self._thread.start()

    def put(self, one: T) -> None:
        """Hand over what `handle` takes; never blocks."""
        self._inbox.put(one)

    def close(self, *, timeout_s: float) -> None:
        """End after what it has; one that hangs is left behind."""
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            self.predictor.warm_up()
            self_test(self.predictor)
            self._warm.set()
            while (one := self._inbox.get()) is not None:
                self._handle(one)
        except Exception as exc:  # noqa: BLE001 - not swallowed, see `ended_by`
            self._ended_by(exc)

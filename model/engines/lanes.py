"""Computing threads, one for each core. They are daemons, so that one that hangs does not stop the process from ending.

`concurrent.futures` waits for its threads when the interpreter exits, with no time limit.
"""

import threading
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Task = Callable[[], None]


class Lanes:
    """Runs the submitted work in order of arrival, on any free thread.

    The threads start with the first work and so inherit the priority of the thread that computes; the thread that
    made the engine may have a lower one. They end with this object.
    """

    def __init__(self, count: int, initializer: Callable[[], None] = lambda: None) -> None:
        """Each of the `count` threads calls `initializer` first."""
        self.count = count
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._initializer = initializer
        self._started = False
        self._starting = threading.Lock()
        weakref.finalize(self, _end, self._tasks, count)

    def submit(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> "Future[R]":
        """Return a future of the result, or the exception, of `work`."""
        self._start()
        future: Future[R] = Future()

        def task() -> None:
            try:
                future.set_result(work(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001  # the future raises it again in the caller
                future.set_exception(error)

        self._tasks.put(task)
        return future

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Return the result of `work` for each item, in their order; raises the first error."""
        futures = [self.submit(work, item) for item in items]
        wait(futures)  # for all, even when one fails: nothing may still be computing when the caller continues
        return [future.result() for future in futures]

    def _start(self) -> None:
        with self._starting:
            if self._started:
                return
            self._started = True
            for number in range(self.count):
                run = (self._tasks, self._initializer)
                threading.Thread(target=_run, args=run, name=f"lane-{number}", daemon=True).start()


def _run(tasks: "SimpleQueue[Task | None]", initializer: Callable[[], None]) -> None:
    initializer()
    while (task := tasks.get()) is not None:
        task()
        del task  # which refers to the rows and the result


def _end(tasks: "SimpleQueue[Any]", count: int) -> None:
    for _ in range(count):
        tasks.put(None)

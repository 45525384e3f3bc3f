"""Threads that compute, one for each core. They are daemons: one that hangs in a kernel keeps no process from ending.

`concurrent.futures` waits for its threads when the interpreter exits, without end.
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
    """Runs what is submitted, in order of arrival, on whichever thread is free.

    The threads begin with the first work, and so with the priority of the thread that computes: an engine may have been
    made by one that gives way to others. They end with this object.
    """

    def __init__(self, count: int, initializer: Callable[[], None]) -> None:
        """Each of the threads calls `initializer` first."""
        self.count = count
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._initializer = initializer
        self._begun = False
        self._beginning = threading.Lock()
        weakref.finalize(self, _end, self._tasks, count)

    def submit(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> "Future[R]":
        """Return what will have the result, or the exception, of `work`."""
        self._begin()
        future: Future[R] = Future()

        def task() -> None:
            try:
                future.set_result(work(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001  # raised again by whoever asks for the result
                future.set_exception(error)

        self._tasks.put(task)
        return future

    def map(self, work: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Return what `work` makes of each item, in their order; raises what the first that fails raises."""
        futures = [self.submit(work, item) for item in items]
        wait(futures)  # all of them, also when one fails: nothing may still be computing when the caller goes on
        return [future.result() for future in futures]

    def _begin(self) -> None:
        with self._beginning:
            if self._begun:
                return
            self._begun = True
            for number in range(self.count):
                run = (self._tasks, self._initializer)
                threading.Thread(target=_run, args=run, name=f"lane-{number}", daemon=True).start()


def _run(tasks: "SimpleQueue[Task | None]", initializer: Callable[[], None]) -> None:
    initializer()
    while (task := tasks.get()) is not None:
        task()
        del task  # it holds the rows and the result


def _end(tasks: "SimpleQueue[Any]", count: int) -> None:
    for _ in range(count):
        tasks.put(None)

"""Another model in place of the present one, made ready beside the loop while that one goes on scoring."""

import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Final, Generic

from model.errors import ModelError
from worker.errors import ModelUnusable, ReloadFailed
from worker.scoring.inference import Engine, W

log = logging.getLogger(__name__)

NICENESS: Final = 15  # of 19; 0 is what computes the present model's batches


class Reloader(Generic[W]):
    """Opens an engine when it is asked to. `on_signal` may be a signal handler; `take` is for the loop's thread."""

    def __init__(self, open_engine: Callable[[], Engine[W]]) -> None:
        """`open_engine` is called on a thread of its own, which gives way to all others; it may raise ModelUnusable.

        What it starts would give way for ever: it must start no thread. The engine is started by `take`.
        """
        self._open_engine = open_engine
        self._requested = False
        self._opening = False
        self._opened: SimpleQueue[Engine[W] | Exception] = SimpleQueue()
        self._engine: Engine[W] | None = None  # opened, and not known to be warm

    def on_signal(self, _signum: int, _frame: FrameType | None = None) -> None:
        """Note a wish. One that comes while a model is being opened is followed after it: files may have changed."""
        self._requested = True

    def take(self) -> Engine[W] | None:
        """Return the new engine, once, when it is warm; never blocks. Raises ReloadFailed: there will be none."""
        if self._engine is None:
            self._engine = self._next_opened()
        if self._engine is None:
            return None
        try:
            self._engine.collect(timeout_s=0)  # raises what ended the warm-up
        except ModelError as exc:
            self._engine = None
            raise ReloadFailed(str(exc)) from exc
        if not self._engine.warm:
            return None
        engine, self._engine = self._engine, None
        return engine

    def _next_opened(self) -> Engine[W] | None:
        if self._requested and not self._opening:
            self._requested, self._opening = False, True
            # A daemon: a model that is opened must not keep a process alive that was told to exit.
            threading.Thread(target=self._open, name="reload", daemon=True).start()
        try:
            opened = self._opened.get_nowait()
        except Empty:
            return None
        self._opening = False
        if isinstance(opened, ModelUnusable):
            raise ReloadFailed(str(opened)) from opened
        if isinstance(opened, Exception):
            raise opened
        opened.start()
        return opened

    def _open(self) -> None:
        _give_way()
        try:
            engine = self._open_engine()
        except Exception as exc:  # noqa: BLE001 - carried to the loop's thread, which raises it
            self._opened.put(exc)
        else:
            self._opened.put(engine)


def _give_way() -> None:
    """Let the calling thread, and those that it starts, compute when no other thread does."""
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        with suppress(OSError):  # a sandbox may forbid it
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)

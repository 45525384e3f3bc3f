"""Loading a new model in the background, while the current one goes on scoring."""

import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Final

from model.errors import ModelError
from worker.errors import ModelUnusable, ReloadFailed
from worker.scoring.inference import BackgroundEngine

log = logging.getLogger(__name__)

NICENESS: Final = 15  # of 19; the current model's threads have 0


class Reloader:
    """Opens an engine on request. `on_signal` may be a signal handler; call `take` from the loop's thread."""

    def __init__(self, open_engine: Callable[[], BackgroundEngine]) -> None:
        """Call `open_engine` on a thread of low priority, once for each request; it may raise ModelUnusable.

        It must start no thread, because that thread would keep the low priority. `take` starts the engine.
        """
        self._open_engine = open_engine
        self._requested = False
        self._opening = False
        self._opened: SimpleQueue[BackgroundEngine | Exception] = SimpleQueue()
        self._engine: BackgroundEngine | None = None  # opened, and maybe not warm yet

    def on_signal(self, _signum: int, _frame: FrameType | None = None) -> None:
        """Request a reload. If one is in progress, another follows, because the files may have changed meanwhile."""
        self._requested = True

    def take(self) -> BackgroundEngine | None:
        """Return the new engine once it is warm, else None; never blocks. Raises ReloadFailed if there is none."""
        if self._engine is None:
            self._engine = self._next_opened()
        if self._engine is None:
            return None
        try:
            self._engine.collect(timeout_s=0)  # raises the error that ended the warm-up
        except ModelError as exc:
            self._engine = None
            raise ReloadFailed(str(exc)) from exc
        if not self._engine.warm:
            return None
        engine, self._engine = self._engine, None
        return engine

    def _next_opened(self) -> BackgroundEngine | None:
        if self._requested and not self._opening:
            self._requested, self._opening = False, True
            # A daemon, so that loading a model does not delay the exit of the process.
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
        _lower_priority()
        try:
            engine = self._open_engine()
        except Exception as exc:  # noqa: BLE001 - `take` raises it on the loop's thread
            self._opened.put(exc)
        else:
            self._opened.put(engine)


def _lower_priority() -> None:
    """Let the calling thread, and threads that it starts, run only when others leave the processor idle."""
    if sys.platform == "linux":  # elsewhere, a thread has no priority of its own
        with suppress(OSError):  # a sandbox may forbid it
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)

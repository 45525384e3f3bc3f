"""One run of the demo: the reviews go out, the answers are counted until all are there, the worker is stopped."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from queue import Empty
from typing import Final

from deploy.demo.errors import DemoFailed
from deploy.demo.metrics_reader import parse
from deploy.demo.scoreboard import Scoreboard
from deploy.demo.stage import Stage
from deploy.demo.view import Frame, View
from deploy.demo.worker_process import WorkerProcess

REFRESH_S: Final = 0.2
STALL_LIMIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    last: Frame
    drained: bool  # the worker ended in order when it was asked to
    complaints: Sequence[str]  # why the run failed; empty when all is well


def run(stage: Stage, total: int, open_view: Callable[[], AbstractContextManager[View]]) -> Outcome:
    """Publish the `total` reviews of the stage, show what comes back, and judge it when nothing more can come.

    Raises DemoFailed or WorkerError when there is nothing to judge: the worker died, the broker went away.
    """
    counting = _Counting(stage, total)
    stage.publisher.start()
    with open_view() as view:
        for frame in counting.frames():
            view.show(frame)
    complaint = stop(stage.worker)
    last = counting.last_frame()
    return Outcome(last, complaint is None, [*last.snapshot.complaints(), *filter(None, [complaint])])


def stop(worker: WorkerProcess) -> str | None:
    """Have the worker drain; what went wrong."""
    try:
        worker.stop()
    except DemoFailed as error:
        return str(error)
    return None


class _Counting:
    """Moves entries from the inbox to the scoreboard."""

    def __init__(self, stage: Stage, total: int) -> None:
        self._stage = stage
        self._total = total
        self._scoreboard = Scoreboard()
        self._metrics = parse("")

    def frames(self) -> Iterator[Frame]:
        """A frame every REFRESH_S until every review is answered, or no answer has come for STALL_LIMIT_S."""
        moved_s, so_far = time.monotonic(), 0
        while True:
            published = self._stage.publisher.done  # asked before the inbox is emptied: nothing comes after it
            self._take_entries(REFRESH_S)
            self._stage.worker.check()
            frame = self._frame()
            yield frame
            if published and frame.snapshot.lost == 0:
                return
            if frame.snapshot.answered > so_far:
                moved_s, so_far = time.monotonic(), frame.snapshot.answered
            if time.monotonic() - moved_s > STALL_LIMIT_S:
                return

    def last_frame(self) -> Frame:
        """Read both topics to their ends: what comes late counts too."""
        for reader in self._stage.readers:
            reader.finish()
        self._take_entries(0)
        return self._frame()

    def _take_entries(self, limit_s: float) -> None:
        """Empty the inbox, and go on for `limit_s`. Raises what a thread met."""
        deadline_s = time.monotonic() + limit_s
        while True:
            try:
                entry = self._stage.inbox.get(timeout=max(0.0, deadline_s - time.monotonic()))
            except Empty:
                return
            if isinstance(entry, Exception):
                raise entry
            if self._scoreboard.take(entry):
                self._stage.publisher.answered()

    def _frame(self) -> Frame:
        with suppress(OSError):  # it is busy, or has ended: what it said last stands
            self._metrics = parse(self._stage.worker.get("/metrics")[1])
        return Frame(self._scoreboard.snapshot(time.time()), self._metrics, self._total, self._stage.scene)

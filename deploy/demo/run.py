"""One run of the demo: publishes the reviews, counts the answers until all have arrived, stops the worker."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty
from typing import Final

from deploy.demo.errors import DemoFailed
from deploy.demo.metrics_reader import parse
from deploy.demo.scoreboard import Scoreboard
from deploy.demo.stage import Stage
from deploy.demo.view import Frame

REFRESH_S: Final = 0.2
STALL_LIMIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended."""

    last: Frame
    drained: bool  # whether the worker drained and exited when asked to
    complaints: Sequence[str]  # why the run failed; empty if it succeeded


def run(stage: Stage, total: int, show: Callable[[Iterator[Frame]], None]) -> RunResult:
    """Publish the `total` reviews of the stage, show the answers, and check them when no more can arrive.

    Raises DemoFailed or WorkerError if the run cannot be checked because the worker or the broker has ended.
    """
    counting = _Counting(stage, total)
    stage.publisher.start()
    show(counting.frames())
    not_drained = []
    try:
        stage.worker.stop()
    except DemoFailed as error:
        not_drained.append(str(error))
    last = counting.last_frame()
    return RunResult(last, not not_drained, [*last.snapshot.complaints(), *not_drained])


class _Counting:
    """Moves entries from the inbox to the scoreboard."""

    def __init__(self, stage: Stage, total: int) -> None:
        self._stage = stage
        self._total = total
        self._scoreboard = Scoreboard()
        self._metrics = parse("")

    def frames(self) -> Iterator[Frame]:
        """A frame every REFRESH_S until every review is answered, or no answer has arrived for STALL_LIMIT_S."""
        moved_s, so_far = time.monotonic(), 0
        while True:
            published = self._stage.publisher.done  # read before the inbox is emptied, so no entry follows
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
        """The frame after reading both topics to their ends, because late answers count too."""
        for reader in self._stage.readers:
            reader.finish()
        self._take_entries(0)
        return self._frame()

    def _take_entries(self, limit_s: float) -> None:
        """Take entries from the inbox for `limit_s` and until it is empty. Raises the error of a thread."""
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
        with suppress(OSError):  # the worker is busy or has ended: keep its last metrics
            self._metrics = parse(self._stage.worker.get("/metrics")[1])
        return Frame(self._scoreboard.snapshot(time.time()), self._metrics, self._total, self._stage.scene)

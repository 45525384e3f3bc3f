"""Whether the worker is live and ready. The time is an argument."""

import logging
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from worker.monitoring.observer import Moment, Observer, Standing
from worker.scoring.batcher import Batch
from worker.scoring.inference import ScoredBatch
from worker.scoring.work import Work

log = logging.getLogger(__name__)

_SILENCE_S: Final = 10.0  # three heartbeats


class State(StrEnum):
    """What the worker does, in one word."""

    STARTING = "starting"  # checks the topics and loads the model
    WARMING = "warming"  # runs the model for the first time
    STANDBY = "standby"  # has no partition
    DISCONNECTED = "disconnected"  # waits for a broker to answer
    SCORING = "scoring"
    PAUSED = "paused"  # scores, but fetches no more because it holds as much as it may
    STALLED = "stalled"  # is not live; a restart would help
    DRAINING = "draining"  # finishes its work before it stops


READY: Final = frozenset({State.SCORING, State.PAUSED})


class Health(Observer):
    """Live: the loop runs, and waiting work makes progress. Ready: the worker scores, and a broker answers.

    The loop's thread writes it and the HTTP threads read it, without a lock, because each field is read at once.
    """

    def __init__(self, *, stall_timeout_s: float, now_s: float) -> None:
        self._stall_timeout_s = stall_timeout_s
        self._has_turned = False
        self._turned_s = now_s
        self._progressed_s = now_s
        self.warm = False
        self.partitions = 0
        self._paused = False
        self._broker_silence_s = 0.0
        self._stopping = False
        self._computing: dict[int, None] = {}  # `id` of each batch in the engine, the oldest first
        self._logged_ready = False

    def turned(self, now_s: float, *, warm: bool, working: bool, partitions: int, paused: bool) -> None:
        """See Observer. Without waiting work, every iteration counts as progress."""
        self._has_turned = True
        self._turned_s = now_s
        self.warm = warm
        self.partitions = partitions
        self._paused = paused
        if not working:
            self._progressed_s = now_s

    def dispatched(self, batch: Batch, *, waited_s: float) -> None:  # noqa: ARG002
        """See Observer."""
        self._computing[id(batch)] = None

    def computed(self, scored: ScoredBatch, *, is_current: Callable[[Work], bool], at: Moment) -> None:  # noqa: ARG002
        """See Observer. Only the oldest batch counts as progress, because one of two may hang."""
        if id(scored.batch) == next(iter(self._computing)):
            self._progressed_s = at.now_s
        del self._computing[id(scored.batch)]

    def stands(self, standing: Standing) -> None:
        """See Observer. Logs when readiness changes."""
        self._broker_silence_s = standing.broker_silence_s
        ready, why = self.ready(standing.at_s)
        if ready != self._logged_ready:
            self._logged_ready = ready
            if ready:
                log.info("ready")
            else:
                log.warning("not ready: %s", why)

    def stopping(self) -> None:
        """See Observer."""
        self._stopping = True

    def turn_age_s(self, now_s: float) -> float:
        """Return the seconds since the last iteration of the loop; before the first, since the start."""
        return max(0.0, now_s - self._turned_s)  # negative if an iteration came after the caller read the clock

    def live(self, now_s: float) -> tuple[bool, str]:
        """Return whether the worker is live, and the reason. If it is not, a restart would help."""
        if now_s - self._turned_s > self._stall_timeout_s:
            return False, f"the loop has not turned for {now_s - self._turned_s:.0f} s"
        if now_s - self._progressed_s > self._stall_timeout_s:
            return False, f"work waits, and nothing was finished for {now_s - self._progressed_s:.0f} s"
        return True, "progressing"

    def ready(self, now_s: float) -> tuple[bool, str]:
        """Return whether the worker scores reviews, and the reason."""
        state, reason = self.state(now_s)
        return state in READY, reason

    def state(self, now_s: float) -> tuple[State, str]:
        """Return what the worker does, and the reason."""
        live, reason = self.live(now_s)
        for applies, state, why in (
            (self._stopping, State.DRAINING, "stopping"),
            (not live, State.STALLED, reason),
            (not self._has_turned, State.STARTING, "the model is not loaded yet"),
            (not self.warm, State.WARMING, "the model is not warm yet"),
            # Live, because a restarted worker would get no answer either.
            (
                self._broker_silence_s > _SILENCE_S,
                State.DISCONNECTED,
                f"no broker has answered for more than {_SILENCE_S:.0f} s",
            ),
            (self.partitions == 0, State.STANDBY, "no partition is assigned"),
            (
                self._paused,
                State.PAUSED,
                "the worker holds as much as it may; it fetches again when a quarter is finished",
            ),
        ):
            if applies:
                return state, why
        return State.SCORING, reason

"""Whether the worker is alive and ready. Written by the loop, read by the HTTP threads; the time is an argument."""

from enum import StrEnum
from typing import Final

from worker.monitoring.http import HealthView

_SILENCE_S: Final = 10.0  # three heartbeats


class State(StrEnum):
    """What the worker does now, in one word."""

    STARTING = "starting"  # the topics are checked, the model is loaded
    WARMING = "warming"  # the model runs for the first time
    STANDBY = "standby"  # no partition is left for it
    DISCONNECTED = "disconnected"  # no broker answers; it is waited for
    SCORING = "scoring"
    PAUSED = "paused"  # scoring, and holding as much as it may: nothing more is fetched
    STALLED = "stalled"  # not live: a restart would help
    DRAINING = "draining"  # asked to stop


READY: Final = frozenset({State.SCORING, State.PAUSED})


class Health(HealthView):
    """Live: the loop turns, and what waits makes progress. Ready: warm, assigned, in touch with a broker, live and not
    stopping.

    Each field is written by one thread and read as a whole, so no lock is needed.
    """

    def __init__(self, *, stall_timeout_s: float, now_s: float) -> None:
        self._stall_timeout_s = stall_timeout_s
        self._has_turned = False
        self._turned_s = now_s
        self._progressed_s = now_s
        self.warm = False
        self.partitions = 0
        self.paused = False
        self.broker_silence_s = 0.0
        self.stopping = False

    def turned(self, now_s: float, *, work_waits: bool) -> None:
        """The loop has come around; without waiting work there is nothing to progress with."""
        self._has_turned = True
        self._turned_s = now_s
        if not work_waits:
            self._progressed_s = now_s

    def progressed(self, now_s: float) -> None:
        """The engine has finished the oldest batch that it had: of two at once, one may hang beside the other."""
        self._progressed_s = now_s

    def turn_age_s(self, now_s: float) -> float:
        """Seconds since the loop came around; since the start, when it never has."""
        return max(0.0, now_s - self._turned_s)  # the loop may have come around after the caller looked at the clock

    def live(self, now_s: float) -> tuple[bool, str]:
        """Whether restarting the process would not help, and the reason."""
        if now_s - self._turned_s > self._stall_timeout_s:
            return False, f"the loop has not turned for {now_s - self._turned_s:.0f} s"
        if now_s - self._progressed_s > self._stall_timeout_s:
            return False, f"work waits, and nothing was finished for {now_s - self._progressed_s:.0f} s"
        return True, "progressing"

    def ready(self, now_s: float) -> tuple[bool, str]:
        """Whether the worker scores reviews now, and the reason."""
        state, reason = self.state(now_s)
        return state in READY, reason

    def state(self, now_s: float) -> tuple[State, str]:
        """What the worker does now, and the reason."""
        live, reason = self.live(now_s)
        for holds, state, why in (
            (self.stopping, State.DRAINING, "stopping"),
            (not live, State.STALLED, reason),
            (not self._has_turned, State.STARTING, "the model is not loaded yet"),
            (not self.warm, State.WARMING, "the model is not warm yet"),
            # No reason to restart: another process would hear as little.
            (
                self.broker_silence_s > _SILENCE_S,
                State.DISCONNECTED,
                f"no broker has answered for more than {_SILENCE_S:.0f} s",
            ),
            (self.partitions == 0, State.STANDBY, "no partition is assigned"),
            (self.paused, State.PAUSED, "it holds as much as it may, and fetches again when a quarter of it is done"),
        ):
            if holds:
                return state, why
        return State.SCORING, reason

"""Whether the worker is alive and ready. Written by the loop, read by the HTTP threads; the time is an argument."""

from typing import Final

from worker.http import HealthView

_SILENCE_S: Final = 10.0  # three heartbeats


class Health(HealthView):
    """Live: the loop turns, and what waits makes progress. Ready: warm, assigned, in touch with a broker, live and not
    stopping.

    Each field is written by one thread and read as a whole, so no lock is needed.
    """

    def __init__(self, *, stall_timeout_s: float, now_s: float) -> None:
        self._stall_timeout_s = stall_timeout_s
        self._turned_s = now_s
        self._progressed_s = now_s
        self.warm = False
        self.partitions = 0
        self.broker_silence_s = 0.0
        self.stopping = False

    def turned(self, now_s: float, *, work_waits: bool) -> None:
        """The loop has come around; without waiting work there is nothing to progress with."""
        self._turned_s = now_s
        if not work_waits:
            self._progressed_s = now_s

    def progressed(self, now_s: float) -> None:
        """The engine has finished a batch."""
        self._progressed_s = now_s

    def live(self, now_s: float) -> tuple[bool, str]:
        """Whether restarting the process would not help, and the reason."""
        if now_s - self._turned_s > self._stall_timeout_s:
            return False, f"the loop has not turned for {now_s - self._turned_s:.0f} s"
        if now_s - self._progressed_s > self._stall_timeout_s:
            return False, f"work waits, and nothing was finished for {now_s - self._progressed_s:.0f} s"
        return True, "progressing"

    def ready(self, now_s: float) -> tuple[bool, str]:
        """Whether the worker scores reviews now, and the reason."""
        if self.stopping:
            return False, "stopping"
        if not self.warm:
            return False, "the model is not warm yet"
        if self.partitions == 0:
            return False, "no partition is assigned"
        if self.broker_silence_s > _SILENCE_S:  # no reason to restart: another process would hear as little
            return False, f"no broker has answered for more than {_SILENCE_S:.0f} s"
        return self.live(now_s)

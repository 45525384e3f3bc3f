"""When so much goes wrong that going on would do harm. Pure: the time is an argument.

A broken producer or a broken model makes every record a dead letter. Without a limit the worker would empty the input
topic into the dead-letter topic, and look busy while it does.
"""

from collections import deque
from typing import Final

WINDOW_S: Final = 60.0


class Breaker:
    """Allows `limit` events in any minute."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._at_s: deque[float] = deque(maxlen=limit)  # of the last `limit` events

    def allows(self, now_s: float) -> bool:
        """Count one more event; False when it is one too many. Times never go back."""
        too_many = len(self._at_s) == self.limit and now_s - self._at_s[0] < WINDOW_S
        self._at_s.append(now_s)
        return not too_many

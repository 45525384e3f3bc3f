"""When so much goes wrong that going on would do harm. Pure: the time is an argument.

A broken producer or a broken model makes every record a dead letter. Without a limit the worker would empty the input
topic into the dead-letter topic, and look busy while it does.
"""

from collections.abc import Hashable
from typing import Final

WINDOW_S: Final = 60.0


class Breaker:
    """Allows `limit` records in any minute."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._counted_at_s: dict[Hashable, float] = {}  # the last `limit` records, oldest first

    def allows(self, record: Hashable, now_s: float) -> bool:
        """Count one more; False when it is one too many. One that is read again, as after a replay, counts once.

        `record` tells it from all others. Times never go back.
        """
        if record in self._counted_at_s:
            return True
        too_many = False
        if len(self._counted_at_s) == self.limit:
            too_many = now_s - self._counted_at_s.pop(next(iter(self._counted_at_s))) < WINDOW_S
        self._counted_at_s[record] = now_s
        return not too_many

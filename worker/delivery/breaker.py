"""When the worker must stop because it writes too many dead letters. Pure: the time is an argument.

If the producer or the model is broken, every record becomes a dead letter. Without a limit, the worker would empty the
input topic into the dead-letter topic, and look healthy meanwhile.
"""

from collections.abc import Hashable
from typing import Final

WINDOW_S: Final = 60.0


class Breaker:
    """Allows `limit` dead letters in any minute."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._counted_at_s: dict[Hashable, float] = {}  # the last `limit` records, oldest first

    def allows(self, record: Hashable, now_s: float) -> bool:
        """Count a dead letter. Return False if it is one too many.

        `record` identifies the record, so that one that is read again, as after a replay, counts once. `now_s` must not
        go back.
        """
        if record in self._counted_at_s:
            return True
        too_many = False
        if len(self._counted_at_s) == self.limit:
            too_many = now_s - self._counted_at_s.pop(next(iter(self._counted_at_s))) < WINDOW_S
        self._counted_at_s[record] = now_s
        return not too_many

"""One limit of time for several steps."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Deadline:
    """Passes `budget_s` seconds after it was created, measured by `clock` (monotonic seconds)."""

    budget_s: float
    clock: Callable[[], float] = time.monotonic
    started_s: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "started_s", self.clock())

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was created."""
        return self.clock() - self.started_s

    @property
    def left_s(self) -> float:
        """Seconds until it passes; 0 from then on."""
        return max(0.0, self.budget_s - self.elapsed_s)

    @property
    def over(self) -> bool:
        """Whether it has passed."""
        return self.elapsed_s >= self.budget_s

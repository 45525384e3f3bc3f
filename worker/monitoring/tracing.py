"""What the loop tells of each batch, for whoever follows reviews through several programs."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar

from model.predictor import ModelInfo
from worker.broker.contract import Record, TopicPartition
from worker.delivery.outcomes import Outcome
from worker.scoring.inference import Scorable, ScoredBatch


class Traceable(Scorable, Protocol):
    """What a tracer has to know of a review: its record's headers may name the trace that it belongs to."""

    @property
    def record(self) -> Record:
        """Where it was read."""
        ...

    @property
    def generation(self) -> int:
        """Of the assignment of its partition; its outcome bears the same."""
        ...


T = TypeVar("T", bound=Traceable)


class Tracer(Protocol):
    """Told by the loop's thread alone. Nothing here raises, and nothing but `close` waits for anything.

    `now_s` is monotonic, on the clock of `arrived_s`; `at_s` is the same moment in epoch seconds.
    """

    def serving(self, model: ModelInfo) -> None:
        """Name the model that scores from now on."""
        ...

    def computed(self, scored: ScoredBatch[T], *, is_current: Callable[[T], bool], now_s: float, at_s: float) -> None:
        """Note a batch that the engine has finished; what is not current is going to be dropped."""
        ...

    def stored(self, outcomes: Sequence[Outcome], *, at_s: float) -> None:
        """Note what the broker acknowledged."""
        ...

    def forgotten(self, partition: TopicPartition, *, at_s: float) -> None:
        """Note that nothing of this partition that is not stored yet is going to be, by this generation."""
        ...

    def close(self, *, at_s: float, timeout_s: float) -> None:
        """Hand over what there is, as far as that can be done in `timeout_s`."""
        ...


class Untraced(Tracer):
    """See Tracer: keeps nothing."""

    def serving(self, model: ModelInfo) -> None:
        """See Tracer."""

    def computed(self, scored: ScoredBatch[T], *, is_current: Callable[[T], bool], now_s: float, at_s: float) -> None:
        """See Tracer."""

    def stored(self, outcomes: Sequence[Outcome], *, at_s: float) -> None:
        """See Tracer."""

    def forgotten(self, partition: TopicPartition, *, at_s: float) -> None:
        """See Tracer."""

    def close(self, *, at_s: float, timeout_s: float) -> None:
        """See Tracer."""


UNTRACED: Final = Untraced()

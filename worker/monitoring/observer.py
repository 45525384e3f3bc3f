"""What the loop reports, and everyone who listens: metrics, health, the status page, traces."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

from model.predictor import ModelInfo
from worker.broker.contract import Record, TopicPartition
from worker.delivery.outcomes import Outcome
from worker.scoring.batcher import Batch
from worker.scoring.inference import Scorable, ScoredBatch
from worker.scoring.pricing import Budget
from worker.wire.score import Score


class Moment(NamedTuple):
    """The same instant on two clocks."""

    now_s: float  # monotonic, the clock of `arrived_s`
    epoch_s: float  # the clock of the records' timestamps


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of the worker; the loop looks once a second."""

    at_s: float  # monotonic
    lag: Mapping[TopicPartition, int | None]  # of each owned partition; None until a fetch has returned it
    held_records: int  # read and not finished
    held_bytes: int
    paused: bool  # fetching is paused because the worker holds enough
    budget: Budget  # of the batch that was formed last
    broker_silence_s: float  # since any broker was heard from


class Observed(Scorable, Protocol):
    """What an observer may know of a review in a batch."""

    @property
    def record(self) -> Record:
        """The record it was read from."""
        ...

    @property
    def generation(self) -> int:
        """The generation of its partition's assignment; its outcome carries the same."""
        ...


W = TypeVar("W", bound=Observed)


class Observer:
    """Listens to the loop. This one ignores everything; others override what they want to know.

    Called on the loop's thread alone. No method raises, and none but `close` blocks.
    """

    def serving(self, model: ModelInfo) -> None:
        """This model scores from now on."""

    def reloaded(self, *, succeeded: bool) -> None:
        """A requested model now serves, or could not be loaded and the current one stays."""

    def admitted(self, *, records: int, took_s: float) -> None:
        """Records of one poll were decoded and tokenized."""

    def skipped(self, records: int) -> None:
        """Records were deleted from the topic before they were read."""

    def looked_up(self, *, hits: int, joined: int, misses: int) -> None:
        """The result cache was asked for the reviews of one poll."""

    def dispatched(self, batch: Batch[W], *, waited_s: float) -> None:
        """A batch went to the engine; its oldest review waited for `waited_s`."""

    def computed(self, scored: ScoredBatch[W], *, is_current: Callable[[W], bool], at: Moment) -> None:
        """The engine finished a batch. Rows that are not current will be dropped."""

    def scored(self, scores: Sequence[Score], *, unknown: int) -> None:
        """Reviews have scores; `unknown` counts their words outside the vocabulary."""

    def stored(self, outcomes: Sequence[Outcome], *, at: Moment) -> None:
        """The broker acknowledged these outcomes."""

    def rebalanced(self) -> None:
        """The assignment changed."""

    def released(self, partition: TopicPartition) -> None:
        """This partition is no longer ours."""

    def forgotten(self, partition: TopicPartition, *, at: Moment) -> None:
        """What is not stored yet of this partition will not be, in this generation."""

    def dropped(self) -> None:
        """A result was discarded because its partition was lost or is read again."""

    def replayed(self) -> None:
        """The worker went back to the committed offsets after a failed delivery."""

    def turned(self, now_s: float, *, warm: bool, working: bool, partitions: int, paused: bool) -> None:
        """The loop came around. `working`: reviews wait for the engine or are in it."""

    def stands(self, standing: Standing) -> None:
        """The state of the worker, once a second."""

    def stopping(self) -> None:
        """The worker was asked to stop."""

    def close(self, *, at: Moment, timeout_s: float) -> None:
        """Send what is left, within `timeout_s`."""


class Observers(Observer):
    """Passes every report to each of several observers, in order."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers


def _pass_on(name: str) -> Callable[..., None]:
    def report(self: Observers, *args: Any, **kwargs: Any) -> None:
        for observer in self._observers:
            getattr(observer, name)(*args, **kwargs)

    return report


# Made from Observer's methods, so that a new one cannot be forgotten here.
for _name in [name for name in vars(Observer) if not name.startswith("_")]:
    setattr(Observers, _name, _pass_on(_name))

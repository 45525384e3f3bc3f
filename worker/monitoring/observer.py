"""What the loop reports to metrics, health, the status page and traces."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from model.predictor import ModelInfo
from worker.broker.contract import TopicPartition
from worker.delivery.outcomes import Outcome
from worker.scoring.batcher import Batch
from worker.scoring.inference import ScoredBatch
from worker.scoring.pricing import Budget
from worker.scoring.work import Work
from worker.wire.scored import Score


class Moment(NamedTuple):
    """The same instant on two clocks."""

    now_s: float  # monotonic, the clock of `arrived_s`
    epoch_s: float  # the clock of the records' timestamps


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of the worker at one moment."""

    at_s: float  # monotonic
    lag: Mapping[TopicPartition, int | None]  # of each owned partition; None until a fetch has returned it
    held_records: int  # read and not finished
    held_bytes: int
    paused: bool  # fetching is paused because the worker holds enough
    budget: Budget  # of the last batch
    broker_silence_s: float  # since the last answer of any broker


class Observer:
    """Is called by the loop when something happens. This class ignores everything; subclasses override methods.

    Only the loop's thread calls the methods. No method raises, and only `close` blocks.
    """

    def serving(self, model: ModelInfo) -> None:
        """This model scores from now on."""

    def reloaded(self, *, succeeded: bool) -> None:
        """A requested model was loaded and scores from now on; or it could not be loaded, and the current one stays."""

    def admitted(self, *, records: int, took_s: float) -> None:
        """The records of one poll were decoded and tokenized."""

    def skipped(self, records: int) -> None:
        """Records were deleted from the topic before they were read."""

    def looked_up(self, *, hits: int, joined: int, misses: int) -> None:
        """The reviews of one poll were looked up in the result cache. See `Lookup`."""

    def dispatched(self, batch: Batch, *, waited_s: float) -> None:
        """A batch was submitted to the engine. Its oldest review waited for `waited_s`."""

    def computed(self, scored: ScoredBatch, *, is_current: Callable[[Work], bool], at: Moment) -> None:
        """The engine finished a batch. Rows that are not current will be dropped."""

    def scored(self, scores: Sequence[Score], *, unknown: int) -> None:
        """Reviews have scores; `unknown` counts their words outside the vocabulary."""

    def stored(self, outcomes: Sequence[Outcome], *, at: Moment) -> None:
        """The broker has stored these outcomes."""

    def rebalanced(self) -> None:
        """The assignment changed."""

    def released(self, partition: TopicPartition) -> None:
        """This partition is no longer ours."""

    def forgotten(self, partition: TopicPartition, *, at: Moment) -> None:
        """Results of this partition that are not stored yet will not be stored in this generation."""

    def dropped(self) -> None:
        """A result was discarded because its partition was lost or is read again."""

    def replayed(self) -> None:
        """The worker went back to the committed offsets after a failed delivery."""

    def turned(self, now_s: float, *, warm: bool, working: bool, partitions: int, paused: bool) -> None:
        """The loop finished an iteration. `working`: reviews wait for the engine or are in it."""

    def stands(self, standing: Standing) -> None:
        """The state of the worker; called once a second."""

    def stopping(self) -> None:
        """The worker was asked to stop."""

    def close(self, *, at: Moment, timeout_s: float) -> None:
        """Send what is left, within `timeout_s`."""


class Observers(Observer):
    """Calls several observers, in order."""

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

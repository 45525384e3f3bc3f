"""What the alerts are for, made to happen: each fault to a worker of its own, which a Prometheus of its own watches."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Final

from kafka import KafkaAdminClient
from kafka.structs import TopicPartition

from deploy.kafka.broker import Broker
from deploy.kafka.ports import free_ports
from model.artifacts import DEFAULT_ARTIFACT
from tests.support import hung_call
from tests.support.broken_engine import BROKEN
from tests.support.kafka_io import Message, new_topics
from tests.support.stage import Stage
from tests.support.traffic import reviews, with_word
from tests.support.until import until
from tests.support.worker_process import WorkerProcess
from tests.worker.rig import review

Settings = Mapping[str, Any]

LIMIT_S: Final = 60.0
A_FEW: Final = 5
ENOUGH: Final = 5  # starts, where more than two are too many
HURRY: Final = 60  # how many times as fast the world goes: an hour is a minute


@dataclass(frozen=True)
class Place:
    """What the cases share."""

    broker: Broker
    own_broker: Broker  # may be frozen
    model: Path  # a tiny one
    folder: Path


class Case:
    """nothing is wrong, and reviews come"""

    told_by: ClassVar[frozenset[str]] = frozenset()  # the alerts that are for it
    module: ClassVar[tuple[str, ...]] = ()  # see WorkerProcess
    settings: ClassVar[Settings] = {}
    hurry: ClassVar[int] = HURRY  # more where nothing that counts is looked at for less than half an hour

    def __init__(self, place: Place, open_: ExitStack) -> None:
        self.place = place
        address = self.broker.address
        stage = Stage(address, new_topics(address, partitions=1), place.folder, model=self.model())
        self.stage = open_.enter_context(stage)
        self.good = reviews(seed=1, partitions=1)
        self.port = free_ports(1)[0]
        self.worker = self.start()

    @property
    def broker(self) -> Broker:
        """Where its topics are."""
        return self.place.broker

    def model(self) -> Path:
        """What it scores with."""
        return self.place.model

    def start(self) -> WorkerProcess:
        """A worker, always at the same port."""
        return self.stage.start(*self.module, http_port=self.port, **self.settings)

    def begin(self) -> None:
        """Let the fault happen. The worker is ready and watched."""

    def go_on(self) -> None:
        """Called about once a second from then on."""
        self.send(self.good, A_FEW)

    def send(self, messages: Iterator[Message], count: int) -> None:
        """Let so many more come."""
        self.stage.traffic.send(islice(messages, count))


class WorkerKilled(Case):
    """the only worker is killed"""

    told_by = frozenset({"SentimentNoWorkerReady", "SentimentWorkerDown"})

    def begin(self) -> None:
        self.worker.kill()


class WorkerKilledAgainAndAgain(Case):
    """a worker is killed whenever it is ready, and started again"""

    told_by = frozenset({"SentimentWorkerRestarts"})
    starts = 1

    def go_on(self) -> None:
        if self.starts < ENOUGH and self.worker.ready():
            self.worker.kill()
            self.worker = self.start()
            self.starts += 1


class EngineHangs(Case):
    """the engine hangs"""

    told_by = frozenset({"SentimentNoProgress", "SentimentWorkerNotReady"})
    module = (BROKEN,)
    settings: ClassVar[Settings] = {"stall_timeout_ms": 1_000}

    def begin(self) -> None:
        self.send(with_word("hang", self.good), 1)


class LoopHangs(Case):
    """a call of the Kafka client never returns, in a worker that holds nothing"""

    told_by = frozenset({"SentimentNoProgress", "SentimentWorkerNotReady"})
    module = (hung_call.HUNG,)
    settings: ClassVar[Settings] = {"stall_timeout_ms": 1_000}

    def begin(self) -> None:
        self.send(with_word(hung_call.WORD.decode(), self.good), 1)


class BrokerHangs(Case):
    """the broker answers no more, and keeps its connections"""

    told_by = frozenset({"SentimentNoProgress", "SentimentWorkerNotReady"})
    module = (BROKEN,)
    settings: ClassVar[Settings] = {"max_batch_reviews": 1}

    @property
    def broker(self) -> Broker:
        return self.place.own_broker

    def begin(self) -> None:
        self.send(with_word("slow", self.good), 20)
        until(lambda: self.stage.traffic.answered() > 0, LIMIT_S, "the worker is in the middle of its work")
        self.place.own_broker.pause()

    def go_on(self) -> None:
        """There is nobody to send to."""


class TooManyReviews(Case):
    """reviews come faster than a slow engine scores them"""

    told_by = frozenset(
        {
            "SentimentLagGrowing",
            "SentimentLagNotWorkedOff",
            "SentimentLatencyBudgetBurnsFast",
            "SentimentLatencyBudgetBurnsSlowly",
        }
    )
    module = (BROKEN,)
    settings: ClassVar[Settings] = {"max_batch_reviews": 1, "max_inflight_records": 10}
    hurry = 2 * HURRY

    def begin(self) -> None:
        self.send(with_word("slow", self.good), 1600)

    def go_on(self) -> None:
        self.send(with_word("slow", self.good), 20)


class RetentionTooShort(Case):
    """retention deletes what a stopped worker has not read"""

    told_by = frozenset({"SentimentRecordsSkipped"})

    def begin(self) -> None:
        self.send(self.good, A_FEW)
        self.stage.traffic.until_answered()
        assert self.worker.stop() == 0
        self.send(self.good, 2 * A_FEW)
        with closing(KafkaAdminClient(bootstrap_servers=self.stage.address)) as admin:
            admin.delete_records({TopicPartition(self.stage.topics.input, 0): 2 * A_FEW})
        self.worker = self.start()


class SomeNoReviews(Case):
    """one record in ten is no review"""

    told_by = frozenset({"SentimentDeadLetters"})

    def go_on(self) -> None:
        self.send(self.good, 9)
        self.send(no_reviews(), 1)


class OnlyNoReviews(Case):
    """a producer sends nothing but garbage"""

    told_by = frozenset({"SentimentDeadLetterFlood"})
    settings: ClassVar[Settings] = {"max_dead_letters_per_minute": 100_000}  # or it would have stopped

    def go_on(self) -> None:
        self.send(no_reviews(), 20)


class DamagedModel(Case):
    """a reload finds a damaged artifact"""

    told_by = frozenset({"SentimentModelReloadFailed"})

    def model(self) -> Path:
        return Path(shutil.copytree(self.place.model, self.place.folder / "to-be-damaged"))

    def begin(self) -> None:
        (self.place.folder / "to-be-damaged" / "config.json").write_text("{}")
        self.worker.reload()


class OnlyPraise(Case):
    """reviews drift: all that come are positive"""

    told_by = frozenset({"SentimentScoreDrift"})
    hurry = 2 * HURRY  # the alert needs 1,000 results in its hour, here half a minute

    def model(self) -> Path:
        return DEFAULT_ARTIFACT

    def go_on(self) -> None:
        praise = Message(review("An honest, moving film with two great performances."), key=b"film", partition=0)
        self.send(iter([praise] * 150), 150)


WELL: Final[type[Case]] = Case
FAULTS: Final[tuple[type[Case], ...]] = (
    WorkerKilled,
    WorkerKilledAgainAndAgain,
    EngineHangs,
    LoopHangs,
    BrokerHangs,
    TooManyReviews,
    RetentionTooShort,
    SomeNoReviews,
    OnlyNoReviews,
    DamagedModel,
    OnlyPraise,
)


def no_reviews() -> Iterator[Message]:
    """Endless records that cannot be read."""
    while True:
        yield Message(b"no review", key=b"film", partition=0)

"""A worker on a fake broker, whose loop a test turns. It has the real inference threads, and the clock of the test."""

import json
import signal
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry

from tests.fakes.fake_broker import FakeBroker, FakeSink, FakeSource, FakeTransactionalSink
from tests.fakes.fake_engine import FakeEngine, FakeReloader
from tests.fakes.fake_predictor import FakePredictor
from tests.support.until import until
from worker.app import build_worker, open_engine
from worker.broker.clients import Client
from worker.broker.contract import Record, TopicPartition
from worker.errors import WorkerError
from worker.inflight import Clocks
from worker.monitoring.health import Health
from worker.monitoring.metrics import Metrics, ShadowMetrics
from worker.monitoring.observer import Observer, Observers
from worker.monitoring.status.recorder import Recorder
from worker.scoring.reloading import Reloader
from worker.scoring.shadow import ModelShadow, Shadow
from worker.settings.schema import Settings
from worker.shutdown import Stop
from worker.wire.scored import ScoredReview

RAW, SCORED, DLQ = "reviews.raw", "reviews.scored", "reviews.dlq"
GROUP = "sentiment-worker"
LIMIT_S = 10.0


def review(text: str, **fields: object) -> bytes:
    return json.dumps({"text": text, **fields}).encode()


SETTINGS: dict[str, object] = {
    "max_batch_reviews": 8,
    "max_batch_tokens": 10_000,
    "max_wait_ms": 1000,
    "max_poll_records": 1000,
    "max_inflight_records": 1000,
    "max_inflight_bytes": 1_000_000,
    "max_dead_letters_per_minute": 100,
    "session_timeout_ms": 2000,
    "drain_timeout_ms": LIMIT_S * 1000,
    "handover_timeout_ms": LIMIT_S * 1000,
    "isolation_timeout_ms": LIMIT_S * 1000,
    "commit_interval_ms": 0,
}


def settings_of(**values: object) -> Settings:
    """Return settings without validation, so that a test may set values that a user may not."""
    return Settings().model_copy(update=values)


class Rig:
    """One worker with its broker and its engine, joined by the program's own `build_worker`."""

    def __init__(
        self,
        *,
        partitions: int = 2,
        broker: FakeBroker | None = None,
        exactly_once: bool = False,
        threadless: bool = False,
        shadow_share: float | None = None,
        observer: Observer | None = None,
        **settings: object,
    ) -> None:
        """Any of SETTINGS, and any other setting, can be given."""
        delivery = "exactly_once" if exactly_once else "at_least_once"
        self.settings = settings_of(**SETTINGS | {"delivery": delivery} | settings)
        self.broker = broker or self._new_broker(partitions)
        self.now_s = 100.0
        self.predictor = FakePredictor()
        self.engine: FakeEngine = FakeEngine(self.predictor)  # used if threadless; the new one after a reload
        self.retired: list[FakeEngine] = []
        self.source: FakeSource = self.broker.source(RAW, group_id=GROUP)
        self.sinks: list[FakeSink] = []
        self.registry = CollectorRegistry()
        self.health = Health(stall_timeout_s=60.0, now_s=self.now_s)
        self.metrics = Metrics(self.registry)
        self.metrics.watch(self.health, lambda: self.now_s)
        self.recorder = Recorder(self.now_s, keeps_reviews=True)
        self.stop = Stop(lambda: self.now_s)
        self.next_predictor = FakePredictor(version="2")  # for a reload and for the shadow
        self.reloader: Reloader = (
            FakeReloader(self._next_engine)
            if threadless
            else Reloader(lambda: open_engine(self.settings, self.next_predictor))
        )
        self.shadow = Shadow() if shadow_share is None else self._shadow(shadow_share)
        self.worker = build_worker(
            self.settings,
            client=Client(
                source=lambda *_, **__: self.source,
                sink=lambda *_, **__: self._open_sink(),
                transactional_sink=lambda *_, **__: self._open_transactional_sink(),
            ),
            engine=self.engine if threadless else open_engine(self.settings, self.predictor),
            reloader=self.reloader,
            shadow=self.shadow,
            observer=Observers(self.metrics, self.health, self.recorder, observer or Observer()),
            partitions=dict.fromkeys((RAW, SCORED, DLQ), partitions),
            clocks=Clocks(monotonic=lambda: self.now_s, epoch=lambda: self.broker.now_ms / 1000 + 0.5),
        )
        self.held = self.worker.inflight.held
        self.offsets = self.worker.inflight.offsets
        self.pricing = self.worker.scorer.pricing

    def _next_engine(self) -> FakeEngine:
        self.retired.append(self.engine)
        self.engine = FakeEngine(self.next_predictor)
        return self.engine

    def finish(self) -> None:
        """Compute the oldest batch of the engine, and of those that it replaced."""
        for engine in (*self.retired, self.engine):
            engine.finish()

    def _shadow(self, share: float) -> Shadow:
        comparisons = ShadowMetrics(self.registry, self.next_predictor.info)
        return ModelShadow(self.next_predictor, share=share, comparisons=comparisons)

    @staticmethod
    def _new_broker(partitions: int) -> FakeBroker:
        broker = FakeBroker()
        for topic in (RAW, SCORED, DLQ):
            broker.create_topic(topic, partitions=partitions)
        return broker

    def _open_sink(self) -> FakeSink:
        self.sinks.append(self.broker.sink())
        return self.sinks[-1]

    def _open_transactional_sink(self) -> FakeTransactionalSink:
        sink = self.broker.transactional_sink(f"worker-{id(self)}")
        self.sinks.append(sink)
        return sink

    def fail_next_commit(self, error: WorkerError, *, stored: bool) -> None:
        """Make the next commit fail. A transaction may be `stored` all the same."""
        sink = self.sinks[-1]
        if isinstance(sink, FakeTransactionalSink):
            sink.commit_error, sink.stores_all_the_same = error, stored
        else:
            self.source.commit_errors.append(error)

    def heal(self) -> None:
        """Stop all failures."""
        sink = self.sinks[-1]
        sink.hold = False
        sink.settle_all()
        self.source.commit_errors.clear()
        if isinstance(sink, FakeTransactionalSink):
            sink.commit_error = None

    def stop_now(self) -> None:
        """Run the worker until it has stopped, as after SIGTERM."""
        self.stop.on_signal(signal.SIGTERM)
        self.worker.run(self.stop)

    def send(self, *values: bytes | None, partition: int = 0, key: bytes | None = b"k") -> list[Record]:
        """Append records to the input topic."""
        return [self.broker.append(TopicPartition(RAW, partition), value, key=key) for value in values]

    def run_until_empty(self) -> None:
        """Run the worker until it has read the topic to its end."""
        self.worker.run(self.stop, until_empty=True)

    def scored(self, partition: int = 0) -> list[Record]:
        """Return the results in a partition."""
        return [record for record in self.broker.stored(SCORED) if record.partition.partition == partition]

    def results(self, partition: int = 0) -> list[ScoredReview]:
        """Return the decoded results in a partition."""
        return [ScoredReview.model_validate_json(record.value or b"") for record in self.scored(partition)]

    def committed(self, partition: int = 0) -> int | None:
        """Return the committed offset of a partition."""
        return self.broker.committed[GROUP].get(TopicPartition(RAW, partition))

    def metric(self, name: str, /, **labels: str) -> float:
        """Return a sample of the worker's metrics; 0 if it does not exist."""
        return self.registry.get_sample_value(name, labels) or 0.0


def header(record: Record, name: str) -> bytes | None:
    return dict(record.headers)[name]


def ids(records: Iterable[Record]) -> list[str]:
    """Return the review id of each result."""
    return [json.loads(record.value)["review_id"] for record in records if record.value is not None]


def turn_until(rig: Rig, condition: Callable[[], bool], what: str) -> None:
    """Run iterations of the loop until the condition holds."""

    def turned() -> bool:
        rig.worker.turn()
        return condition()

    until(turned, limit_s=LIMIT_S, what=what)


def with_busy_engine(rig: Rig, *values: bytes) -> Rig:
    """Let a started worker read these reviews, which the engine scores only once `predictor.gate` is set."""
    rig.predictor.gate.clear()
    rig.send(*values)
    turn_until(rig, lambda: rig.held.records == len(values), "all is read")
    return rig


def with_results_in_flight(rig: Rig, *values: bytes) -> Rig:
    """Let a started worker score these reviews, whose results the broker does not acknowledge."""
    rig.sinks[0].hold = True
    rig.send(*values)
    results = rig.sinks[0].held[TopicPartition(SCORED, 0)]
    turn_until(rig, lambda: len(results) == len(values), "all results are in flight")
    return rig


def started(rig: Rig) -> Rig:
    """Start the worker, and return it when it is warm and owns partitions."""
    rig.worker.start()
    turn_until(rig, lambda: rig.health.warm and rig.health.partitions > 0, "the worker owns partitions")
    return rig


def with_early_results(rig: Rig) -> Rig:
    """Start a worker whose engine holds the second of nine reviews, while the seven after it are scored."""
    started(rig)
    rig.sinks[0].hold = True
    lengths = [1, 50, *[1] * 7]
    rig.send(*[review("x " * length, review_id=str(number)) for number, length in enumerate(lengths)])
    turn_until(rig, lambda: bool(rig.sinks[0].held[TopicPartition(SCORED, 0)]), "the first result leaves")
    rig.predictor.gate.clear()
    return rig

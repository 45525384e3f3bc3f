"""In any order of events, nothing is lost, and only allowed results are repeated.

Hypothesis drives two workers: the real loop on a fake broker and engines without threads. The events are records, many
of them with the same text; finished batches; acknowledgements in any order, or none; a broker that goes away; commits
that fail, stored or not; partitions that move; members that are evicted; reloads; workers that are killed or stopped;
and time. Some runs have a result cache, some a shadow model. The oracle is the one that checks real workers on a real
broker. A failure prints the shortest sequence of steps that leads to it.
"""

import os
from itertools import count
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.fakes.fake_broker import FakeBroker
from tests.support.kafka_io import Position
from tests.support.oracle import History, Input, Result, faults, faults_so_far
from tests.worker.rig import DLQ, GROUP, RAW, SCORED, Rig, review
from worker.broker.contract import Record, TopicPartition
from worker.errors import AssignmentLost, BrokerUnavailable, DeliveryFailed

PARTITIONS = 3
WORKERS = 2
NUMBER = "test-number"
# `make nightly` sets more: 1,000 examples of 50 steps are 50,000.
EXAMPLES = int(os.environ.get("SENTIMENT_TEST_EXAMPLES", "60"))
STEPS = 50
CACHE_BYTES = 5_000  # too few for all texts
CHECKPOINT_S = 1.0
LIMITS: dict[str, Any] = {
    "partitions": PARTITIONS,
    "threadless": True,
    "max_inflight_records": 12,
    "max_batch_reviews": 4,
    "max_dead_letters_per_minute": 10_000,
    "commit_interval_ms": CHECKPOINT_S * 1000,
}
SHADOW_ENDS_S = 10.0
SHRINK = "SENTIMENT_TEST_UNSHRUNK" not in os.environ  # searching for the shortest sequence can take minutes
workers = st.integers(0, WORKERS - 1)
partitions = st.integers(0, PARTITIONS - 1)


class Events(RuleBasedStateMachine):
    """The steps, and what must hold between them."""

    exactly_once: bool

    @initialize(cached=st.booleans(), shadowed=st.booleans())
    def begin(self, cached: bool, shadowed: bool) -> None:
        self.cache_bytes = CACHE_BYTES if cached else 0
        self.shadow_share = 0.5 if shadowed else None
        self.broker = FakeBroker()
        for topic in (RAW, SCORED, DLQ):
            self.broker.create_topic(topic, partitions=PARTITIONS)
        self.numbers = count()
        self.inputs: list[Input] = []
        self.begun_again: list[dict[int, int]] = []
        self.rigs = [self.new_worker() for _ in range(WORKERS)]

    def new_worker(self) -> Rig:
        rig = Rig(
            broker=self.broker, exactly_once=self.exactly_once, cache_bytes=self.cache_bytes,
            shadow_share=self.shadow_share, **LIMITS,
        )  # fmt: skip
        for predictor in (rig.predictor, rig.next_predictor):
            predictor.fail_on("poison")
        rig.worker.start()
        return rig

    # What comes in

    @rule(records=st.lists(st.tuples(partitions, st.integers(-2, 9)), min_size=1, max_size=8))
    def records_come(self, records: list[tuple[int, int]]) -> None:
        """Each has a partition and a length in words; -1 is not a review, and the engine fails on -2."""
        for partition, words in records:
            number = next(self.numbers)
            value = b"{" if words == -1 else review("poison" if words == -2 else "x " * words)
            place = TopicPartition(RAW, partition)
            record = self.broker.append(place, value, key=b"k", headers=((NUMBER, b"%d" % number),))
            self.inputs.append(Input(Position(partition, record.offset), number, b"k"))

    # What the workers do

    @rule(index=workers, rounds=st.integers(1, 6))
    def a_worker_works(self, index: int, rounds: int) -> None:
        for _ in range(rounds):
            self.a_worker_turns(index)
            self.an_engine_finishes_a_batch(index)

    @rule(index=workers)
    def a_worker_turns(self, index: int) -> None:
        rig, before = self.rigs[index], self.committed()
        begun = rig.metric("sentiment_replays_total") + rig.metric("sentiment_rebalances_total")
        rig.worker.turn()
        if rig.metric("sentiment_replays_total") + rig.metric("sentiment_rebalances_total") > begun:
            self.begun_again.append(before)

    @rule(index=workers)
    def an_engine_finishes_a_batch(self, index: int) -> None:
        self.rigs[index].finish()

    @rule(index=workers)
    def another_model_is_asked_for(self, index: int) -> None:
        self.rigs[index].reloader.on_signal(1)

    @rule(index=workers, seconds=st.floats(0.001, 5.0))
    def time_passes(self, index: int, seconds: float) -> None:
        self.rigs[index].now_s += seconds

    @precondition(lambda self: self.broker.available)
    @rule(index=workers)
    def a_worker_is_killed_and_another_starts(self, index: int) -> None:
        self.begun_again.append(self.committed())
        self.broker.evict(self.rigs[index].source)
        self.replace(index)

    @precondition(lambda self: self.broker.available)
    @rule(index=workers, well=st.booleans())
    def a_worker_is_stopped_and_another_starts(self, index: int, well: bool) -> None:
        """After a complete drain nothing is repeated. A drain of a `well` worker must be complete."""
        rig = self.rigs[index]
        if well:
            self.recover(index)
        before = self.committed()
        for engine in (*rig.retired, rig.engine):
            engine.automatic = True
        rig.stop.on_signal(15)
        rig.worker.run(rig.stop)
        completed = not rig.held.records and not rig.offsets.committable()
        assert completed or not well
        if not completed:
            self.begun_again.append(before)
        self.replace(index)

    def recover(self, index: int) -> None:
        """Stop all failures, and let the worker recover from earlier ones."""
        self.rigs[index].heal()
        for _ in range(3):  # a failure is seen, the worker goes back, and reads again
            self.rigs[index].now_s += CHECKPOINT_S
            self.a_worker_turns(index)
            self.rigs[index].heal()

    def replace(self, index: int) -> None:
        if (shadow := self.rigs[index].shadow) is not None:
            shadow.close(timeout_s=SHADOW_ENDS_S)
        self.rigs[index] = self.new_worker()

    # What the broker does

    @rule(index=workers)
    def acknowledgements_are_held_back(self, index: int) -> None:
        self.rigs[index].sinks[-1].hold = True

    @rule(index=workers, partition=partitions, topic=st.sampled_from([SCORED, DLQ]), lost=st.booleans())
    def an_acknowledgement_comes_or_never_will(self, index: int, partition: int, topic: str, lost: bool) -> None:
        sink = self.rigs[index].sinks[-1]
        if not sink.closed and sink.held[TopicPartition(topic, partition)]:
            sink.settle_oldest(TopicPartition(topic, partition), DeliveryFailed("expired") if lost else None)

    @rule(index=workers)
    def acknowledgements_come_again(self, index: int) -> None:
        self.rigs[index].sinks[-1].hold = False
        self.rigs[index].sinks[-1].settle_all()

    @rule()
    def the_broker_goes_away_or_comes_back(self) -> None:
        self.broker.available = not self.broker.available

    @rule(index=workers, stored=st.booleans(), rebalance=st.booleans())
    def the_next_commit_fails(self, index: int, stored: bool, rebalance: bool) -> None:
        error = AssignmentLost("a rebalance") if rebalance else BrokerUnavailable("no answer")
        self.rigs[index].fail_next_commit(error, stored=stored and not rebalance)

    # What the group does

    @rule(index=workers, partition=partitions)
    def a_partition_moves(self, index: int, partition: int) -> None:
        if self.rigs[index].source in self.rigs[index].source.group.members:
            self.begun_again.append(self.committed())
            self.broker.assign(self.rigs[index].source, [TopicPartition(RAW, partition)])

    @rule(index=workers)
    def a_member_is_thrown_out(self, index: int) -> None:
        self.begun_again.append(self.committed())
        self.broker.evict(self.rigs[index].source)

    # What must hold

    @invariant()
    def nothing_is_wrong_so_far(self) -> None:
        if hasattr(self, "broker"):
            assert list(faults_so_far(self.history(), begun_again=self.explained())) == []

    def teardown(self) -> None:
        """Stop all failures. Then no result may be missing."""
        if not hasattr(self, "broker"):
            return
        self.broker.available = True
        for _ in range(200):
            for rig in self.rigs:
                rig.heal()
                rig.worker.turn()
                rig.finish()
                rig.now_s += 1.0
        for rig in self.rigs:
            rig.shadow.close(timeout_s=SHADOW_ENDS_S)
        assert faults(self.history(), begun_again=self.explained()) == []

    def explained(self) -> list[dict[int, int]]:
        return [] if self.exactly_once else self.begun_again

    def committed(self) -> dict[int, int]:
        return {place.partition: offset for place, offset in self.broker.committed[GROUP].items() if offset > 0}

    def history(self) -> History:
        results = [result_of(topic, record) for topic in (SCORED, DLQ) for record in self.broker.stored(topic)]
        return History(self.inputs, results, self.committed())


def result_of(topic: str, record: Record) -> Result:
    headers = dict(record.headers)
    _, partition, offset = (headers["sentiment-source"] or b"").decode().rsplit("-", 2)
    place = Position(record.partition.partition, record.offset)
    return Result(topic, place, Position(int(partition), int(offset)), int(headers[NUMBER] or b""), record.key)


class AtLeastOnceEvents(Events):
    """Only results since a replay, rebalance or restart may be repeated."""

    exactly_once = False


class ExactlyOnceEvents(Events):
    """No result may be repeated."""

    exactly_once = True


TestAtLeastOnce = AtLeastOnceEvents.TestCase
TestExactlyOnce = ExactlyOnceEvents.TestCase
TestAtLeastOnce.settings = TestExactlyOnce.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] if SHRINK else [])],
)

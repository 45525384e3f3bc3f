"""The loop on fakes: partitions that are assigned, revoked and lost."""

import pytest

from tests.worker.rig import GROUP, RAW, Rig, ids, review, started, turn_until, with_busy_engine, with_early_results
from worker.broker.contract import TopicPartition
from worker.errors import BrokerUnavailable

P0, P1 = TopicPartition(RAW, 0), TopicPartition(RAW, 1)


def test_results_of_a_lost_partition_are_dropped_and_its_new_owner_scores_the_reviews() -> None:
    reviews = [review("x", review_id=str(number)) for number in range(6)]
    first = with_busy_engine(started(Rig(partitions=1)), *reviews)
    first.broker.evict(first.source)
    second = Rig(partitions=1, broker=first.broker)
    second.worker.start()
    turn_until(second, lambda: second.source in second.source.group.members, "the second worker is a member")
    first.predictor.gate.set()
    first.broker.assign(second.source, [P0])
    turn_until(first, lambda: first.held.records == 0, "the first worker has dropped all")
    turn_until(second, lambda: second.committed() == 6, "the second worker has committed")
    assert ids(second.scored()) == [str(number) for number in range(6)]
    assert first.metric("sentiment_stale_results_total") == 6


def test_early_results_of_a_lost_partition_are_dropped() -> None:
    rig = with_early_results(Rig(partitions=1))
    rig.broker.assign(rig.broker.source(RAW, group_id=GROUP), [P0])
    turn_until(rig, lambda: rig.health.partitions == 0, "the partition is given away")
    assert rig.metric("sentiment_stale_results_total") == 7 + 1  # the second still waited for the engine
    assert rig.held.records == 1  # the first is in flight
    rig.predictor.gate.set()


def test_a_partition_assigned_while_fetching_is_paused_is_paused_too() -> None:
    rig = Rig(max_inflight_records=4)
    started(rig)
    other = rig.broker.source(RAW, group_id=GROUP)
    other.poll(timeout_s=0, max_records=1)
    turn_until(rig, lambda: rig.health.partitions == 1, "the partitions are shared")
    other.poll(timeout_s=0, max_records=1)
    [kept] = rig.offsets.partitions
    rig.predictor.gate.clear()
    rig.send(*[review("x")] * 4, partition=kept.partition)
    turn_until(rig, lambda: rig.held.paused, "the worker is full")
    other.close(timeout_s=0)
    turn_until(rig, lambda: rig.health.partitions == 2, "the other's partition is gained")
    assert rig.source.paused == {P0, P1}
    rig.predictor.gate.set()
    turn_until(rig, lambda: rig.committed(kept.partition) == 4, "all is scored")
    assert rig.source.paused == set()


def test_a_failed_commit_during_a_handover_leaks_no_held_records() -> None:
    rig = started(Rig(exactly_once=False))
    rig.sinks[0].hold = True
    rig.send(*[review("x")] * 3, partition=0)
    rig.send(*[review("x")] * 3, partition=1)
    turn_until(rig, lambda: sum(map(len, rig.sinks[0].held.values())) == 6, "six results are in flight")
    other = rig.broker.source(RAW, group_id=GROUP)
    rig.broker.assign(other, [P0])
    rig.sinks[0].hold = False
    rig.source.commit_errors.extend([BrokerUnavailable("no answer")] * 3)
    turn_until(rig, lambda: rig.health.partitions == 1, "a partition is handed over")
    turn_until(rig, lambda: rig.committed(1) == 3, "what stayed is committed")
    assert (rig.held.records, rig.held.size_bytes) == (0, 0)


@pytest.mark.parametrize("exactly_once", [False, True])
def test_a_recreated_topic_is_scored_from_its_beginning(exactly_once: bool) -> None:
    rig = started(Rig(exactly_once=exactly_once))
    rig.send(*[review("good", review_id=f"old-{number}") for number in range(5)])
    turn_until(rig, lambda: rig.committed(0) == 5, "the old ones are committed")
    rig.broker.delete_topic(RAW)
    rig.broker.create_topic(RAW, partitions=2)
    rig.send(*[review("good", review_id=f"new-{number}") for number in range(9)])
    turn_until(rig, lambda: rig.committed(0) == 9, "the new ones are committed")
    assert ids(rig.scored(0)) == [f"old-{number}" for number in range(5)] + [f"new-{number}" for number in range(9)]

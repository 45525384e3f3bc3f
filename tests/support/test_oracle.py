"""The oracle is only worth what it notices: each way to spoil a good run has its sentence."""

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.kafka_io import Position
from tests.support.oracle import History, Input, Kill, Offsets, Result, faults, faults_so_far, first_unanswered

OUTPUT, DLQ = "scored", "dlq"
FIRST = 10  # offset of the first input: logs do not begin at 0 for ever


def inputs_of(*lengths: int) -> list[Input]:
    places = [Position(partition, FIRST + i) for partition, length in enumerate(lengths) for i in range(length)]
    return [Input(place, number, b"key-%d-%d" % (place.partition, number % 3)) for number, place in enumerate(places)]


def results_of(inputs: Iterable[Input]) -> list[Result]:
    """One result for each, in this order; every fifth is a dead letter."""
    return [
        Result(DLQ if number % 5 == 3 else OUTPUT, Position(place.partition, offset), place, number, key)
        for offset, (place, number, key) in enumerate(inputs)
    ]


def ends_of(inputs: Iterable[Input]) -> dict[int, int]:
    return {place.partition: place.offset + 1 for place, _, _ in inputs}


def run_of(inputs: list[Input], order: Iterable[Input]) -> History:
    return History(inputs, results_of(order), ends_of(inputs))


def good_run() -> History:
    inputs = inputs_of(6, 4)
    return run_of(inputs, inputs)


def spoiled(index: int, **changes: Any) -> History:
    """The good run with one result changed."""
    run = good_run()
    results = list(run.results)
    results[index] = results[index]._replace(**changes)
    return run._replace(results=results)


def kinds(found: Iterable[str]) -> list[str]:
    return [fault.partition(":")[0] for fault in found]


@given(lengths=st.lists(st.integers(0, 8), min_size=1, max_size=4))
def test_a_run_that_kept_every_promise_has_no_faults(lengths: list[int]) -> None:
    inputs = inputs_of(*lengths)
    assert faults(run_of(inputs, inputs)) == []


@given(crashes=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=4))
def test_beginning_again_at_the_committed_offset_explains_the_repeats(crashes: list[tuple[int, int]]) -> None:
    inputs = inputs_of(12)
    begun_again: list[Offsets] = []
    order: list[Input] = []
    committed = 0
    for scored, commits in crashes:
        order += inputs[committed : committed + scored]
        committed += min(scored, commits, 12 - committed)
        begun_again.append({0: FIRST + committed})
    order += inputs[committed:]
    assert faults(run_of(inputs, order), begun_again=begun_again) == []


@given(index=st.integers(0, 9))
def test_a_result_left_out_is_lost_and_was_committed_early(index: int) -> None:
    run = good_run()
    run = run._replace(results=[*run.results[:index], *run.results[index + 1 :]])
    assert kinds(faults(run)) == ["committed early", "lost"]


@given(index=st.integers(0, 9))
def test_a_result_that_comes_twice_is_repeated(index: int) -> None:
    run = good_run()
    run = run._replace(results=[*run.results, run.results[index]])
    assert kinds(faults(run)) == ["repeated"]
    assert kinds(faults(run, begun_again=[run.committed])) == ["repeated"]  # what was committed is never begun again
    assert faults(run, begun_again=[{}]) == []


def test_a_review_that_is_scored_and_buried_as_well_is_repeated() -> None:
    run = good_run()
    run = run._replace(results=[*run.results, run.results[0]._replace(topic=DLQ)])
    assert kinds(faults(run)) == ["repeated"]


@given(index=st.integers(0, 4))
def test_two_results_that_change_places_are_out_of_order(index: int) -> None:
    inputs = inputs_of(6)
    results = [result._replace(topic=OUTPUT) for result in results_of(inputs)]
    results[index], results[index + 1] = results[index + 1], results[index]
    assert kinds(faults(History(inputs, results, ends_of(inputs)))) == ["out of order"]


def test_results_of_different_input_partitions_may_mix_in_one() -> None:
    inputs = inputs_of(2, 2)
    mixed = [inputs[i] for i in (2, 0, 3, 1)]
    results = [result._replace(place=Position(0, offset)) for offset, result in enumerate(results_of(mixed))]
    assert faults(History(inputs, results, ends_of(inputs)), keeps_partition=False) == []


def test_a_result_of_nothing_is_invented() -> None:
    assert "invented" in kinds(faults(spoiled(0, source=Position(0, 99))))


def test_a_result_that_names_another_source_is_confused() -> None:
    assert "confused" in kinds(faults(spoiled(0, number=1)))


def test_a_result_under_another_key_is_noticed() -> None:
    assert kinds(faults(spoiled(0, key=None))) == ["key changed"]


def test_a_result_in_another_partition_is_noticed() -> None:
    assert kinds(faults(spoiled(0, place=Position(3, 0)))) == ["partition changed"]


def test_the_results_of_a_key_stay_together_where_partitions_are_not_kept() -> None:
    run = spoiled(3, place=Position(3, 0), topic=OUTPUT)  # as the first result, it is under key-0-0
    assert kinds(faults(run, keeps_partition=False)) == ["key scattered"]


def test_a_commit_past_a_missing_result_is_early_even_while_the_run_goes_on() -> None:
    inputs = inputs_of(4)
    run = History(inputs, results_of(inputs[i] for i in (0, 1, 3)), {0: FIRST + 3})
    assert kinds(faults_so_far(run)) == ["committed early"]
    assert list(faults_so_far(run._replace(committed={0: FIRST + 2}))) == []


def test_a_run_is_not_over_before_the_end_is_committed() -> None:
    run = good_run()
    assert kinds(faults(run._replace(committed={0: FIRST + 5}))) == ["not committed", "not committed"]


def test_the_floor_is_the_first_input_without_a_result() -> None:
    inputs = inputs_of(3, 2, 2)
    run = History(inputs, results_of([inputs[0], inputs[2], inputs[3], inputs[4]]), {})
    assert first_unanswered(run) == {0: FIRST + 1, 1: FIRST + 2, 2: FIRST}


def killed_run(*, age_s: float) -> tuple[History, Kill]:
    """The first input is scored, a worker is killed `age_s` later, and another scores all, again from the beginning."""
    inputs = inputs_of(6)
    first = [result._replace(seen_s=10.0) for result in results_of(inputs[:1])]
    again = [result._replace(seen_s=20.0) for result in results_of(inputs)]
    kill = Kill({0: FIRST}, results=len(first), at_s=10.0 + age_s, uncommitted_s=1.0)
    return History(inputs, [*first, *again], ends_of(inputs)), kill


def test_a_repeat_of_what_was_new_when_a_worker_was_killed_is_explained() -> None:
    history, kill = killed_run(age_s=1.0)
    assert faults(history, begun_again=[kill]) == []


def test_a_repeat_of_what_had_long_been_there_when_a_worker_was_killed_is_late() -> None:
    history, kill = killed_run(age_s=1.5)
    assert kinds(faults(history, begun_again=[kill])) == ["repeated late"]
    assert faults(history, begun_again=[kill.committed]) == []  # nothing is known of its time


def test_a_second_kill_before_the_work_was_done_again_makes_nothing_late() -> None:
    history, kill = killed_run(age_s=1.0)
    assert faults(history, begun_again=[kill, kill._replace(at_s=15.0)]) == []

"""The demo's numbers are those of a count by hand."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.demo.sample import LabelledReview
from deploy.demo.scoreboard import NOW_S, SLICE_S, Answer, Prediction, Published, Scoreboard, Snapshot
from worker.broker.contract import TopicPartition

SCORED = TopicPartition("reviews.scored", 0)
DEAD = TopicPartition("reviews.dlq", 0)
START_S = 1_000.0

Reviews = dict[str, int]  # label by id
Came = list[tuple[str, int | None, float]]  # id, prediction or None for a dead letter, seconds after the start

ids = st.sampled_from([f"id{number}" for number in range(12)])
labels = st.sampled_from([0, 1])
published = st.dictionaries(ids, labels)
answers = st.lists(st.tuples(ids, st.one_of(st.none(), labels), st.floats(0, 60)))  # some ids were never published


def entries_of(came: Came) -> list[Answer]:
    return [
        Answer(
            DEAD if label is None else SCORED,
            offset,
            review_id,
            START_S + after_s,
            START_S,
            None if label is None else Prediction(("negative", "positive")[label], float(label), not label),
        )
        for offset, (review_id, label, after_s) in enumerate(came)
    ]


def board_of(reviews: Reviews, came: list[Answer]) -> Scoreboard:
    board = Scoreboard()
    for review_id, label in reviews.items():
        board.take(Published(LabelledReview(review_id, "text", label), START_S))
    for answer in came:
        board.take(answer)
    return board


def shot_of(reviews: Reviews, came: Came) -> Snapshot:
    return board_of(reviews, entries_of(came)).snapshot(START_S + 100)


def numbers(shot: Snapshot) -> tuple[object, ...]:
    return shot.published, shot.answered, shot.scored, shot.dead_letters, shot.duplicated, shot.unexpected, shot.lost


@given(published, answers)
def test_lost_duplicated_and_unexpected_are_what_the_ids_say(reviews: Reviews, came: Came) -> None:
    shot = shot_of(reviews, came)
    times = Counter(review_id for review_id, _, _ in came)
    assert shot.published == len(reviews)
    assert shot.lost == len(reviews.keys() - times.keys())
    assert shot.duplicated == sum(count - 1 for review_id, count in times.items() if review_id in reviews)
    assert shot.unexpected == sum(count for review_id, count in times.items() if review_id not in reviews)
    assert shot.dead_letters == sum(label is None for _, label, _ in came)
    assert bool(shot.complaints()) == bool(shot.lost or shot.duplicated or shot.unexpected)


@given(published, answers, st.randoms(use_true_random=False))
def test_the_order_in_which_answers_are_read_changes_no_count(reviews: Reviews, came: Came, random: Random) -> None:
    in_order = entries_of(came)
    shuffled = random.sample(in_order, len(in_order))
    first, second = (board_of(reviews, each).snapshot(START_S + 100) for each in (in_order, shuffled))
    for shot in (first, second):
        assert numbers(shot) == numbers(first)
        assert (shot.latency_p50_s, shot.latency_p99_s) == (first.latency_p50_s, first.latency_p99_s)
        assert shot.per_s == first.per_s


@given(published, answers)
def test_a_message_that_is_read_twice_counts_once(reviews: Reviews, came: Came) -> None:
    twice = board_of(reviews, entries_of(came) * 2)
    assert twice.snapshot(START_S + 100) == shot_of(reviews, came)


@given(published, answers)
def test_accuracy_and_out_of_domain_count_first_scores(reviews: Reviews, came: Came) -> None:
    shot = shot_of(reviews, came)
    first: Reviews = {}
    for review_id, label, _ in came:
        if label is not None and review_id in reviews:
            first.setdefault(review_id, label)
    right = sum(reviews[review_id] == label for review_id, label in first.items())
    assert (shot.scored, shot.right) == (len(first), right)
    assert shot.accuracy == (right / len(first) if first else None)
    assert shot.out_of_domain == sum(label == 0 for label in first.values())  # as `entries_of` flags them


@given(st.dictionaries(ids, labels, min_size=1), answers)
def test_throughput_and_its_history_hold_every_answer(reviews: Reviews, came: Came) -> None:
    shot = shot_of(reviews, came)
    known = [after_s for review_id, _, after_s in came if review_id in reviews]
    assert shot.elapsed_s == pytest.approx(max(known, default=0.0))
    if shot.elapsed_s:
        assert shot.per_s * shot.elapsed_s == pytest.approx(shot.answered)
    assert sum(shot.per_s_history) * SLICE_S == pytest.approx(len(known))
    assert len(shot.per_s_history) == 100 / SLICE_S


def test_the_rate_now_counts_the_last_seconds_alone() -> None:
    came: Came = [("id0", 0, 1.0), ("id1", 1, 8.5), ("id2", 1, 9.5)]
    board = board_of({"id0": 0, "id1": 1, "id2": 1}, entries_of(came))
    assert board.snapshot(START_S + 10).per_s_now == 2 / NOW_S
    assert board.snapshot(START_S + 20).per_s_now == 0


def test_the_rate_now_of_a_new_run_is_over_its_own_time() -> None:
    board = board_of({"id0": 0}, entries_of([("id0", 0, 0.25)]))
    assert board.snapshot(START_S + 0.5).per_s_now == 2.0


def test_before_anything_happened_there_are_no_numbers_and_no_errors() -> None:
    shot = Scoreboard().snapshot(START_S)
    assert numbers(shot) == (0,) * 7
    assert (shot.accuracy, shot.latency_p50_s, shot.per_s, shot.per_s_now, shot.per_s_history) == (None, None, 0, 0, ())


def test_the_first_answer_to_a_review_is_distinguished() -> None:
    board = board_of({"id0": 0}, [])
    first, second = entries_of([("id0", 0, 1.0), ("id0", 0, 2.0)])
    assert [board.take(first), board.take(first), board.take(second)] == [True, False, False]


def test_an_id_that_is_published_twice_is_refused() -> None:
    board = board_of({"id0": 0}, [])
    with pytest.raises(ValueError, match="id0 was published twice"):
        board.take(Published(LabelledReview("id0", "text", 0), START_S))


def test_complaints_give_number_and_kind() -> None:
    shot = board_of({"id0": 0, "id1": 1}, entries_of([("id0", 0, 1.0), ("id0", 0, 1.0)])).snapshot(START_S + 2)
    assert shot.complaints() == ["1 lost (published and never answered)", "1 duplicated (answered more than once)"]

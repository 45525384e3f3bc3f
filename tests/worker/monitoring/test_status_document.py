"""What `/status.json` holds: the newest of everything, at the moment of the request, bounded, no secrets or texts."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no types

from tests.support.status_example import (
    AT,
    BEGAN_S,
    MODEL,
    NOW_S,
    RAW,
    WALL_S,
    busy_recorder,
    compute,
    document,
    healthy,
    outcome,
    standing,
)
from tests.support.works import work
from worker.broker.contract import TopicPartition
from worker.commands.schema import document_of
from worker.monitoring.health import Health, State
from worker.monitoring.observer import Moment
from worker.monitoring.status.history import SLOT_S, SLOTS
from worker.monitoring.status.recorder import LAST, MAX_ERROR, MAX_ID, Recorder
from worker.scoring.batcher import Batch, Trigger
from worker.scoring.inference import ScoredBatch
from worker.scoring.pricing import Budget, Prices, Why
from worker.settings.schema import MASK, Settings
from worker.wire.reasons import Reason

HIDDEN = "not for the page"

FIXED = Budget(65_536, Why.FIXED, target_s=None, prices=None)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(BEGAN_S, keeps_reviews=True)


def test_a_worker_that_has_just_started_has_an_empty_document(recorder: Recorder) -> None:
    health = Health(stall_timeout_s=60.0, now_s=BEGAN_S)
    status = document(recorder, now_s=BEGAN_S, health=health)
    assert (status.state, status.ready, status.model, status.assignment) == (State.STARTING, False, None, None)
    assert (status.slots, status.batches, status.dead_letters, status.reviews) == ([], [], [], [])
    assert (status.last_minute.reviews_per_s, status.last_minute.p50_s) == (0.0, None)


@pytest.mark.parametrize("recorder_of", [lambda: Recorder(BEGAN_S, keeps_reviews=False), busy_recorder])
def test_the_document_matches_its_schema(recorder_of: Callable[[], Recorder]) -> None:
    Draft202012Validator(document_of("status")).validate(json.loads(document(recorder_of()).model_dump_json()))


def test_a_stuck_loop_is_shown_as_stalled_though_it_records_nothing(recorder: Recorder) -> None:
    health = healthy(NOW_S)
    assert document(recorder, health=health).state is State.SCORING
    later = document(recorder, health=health, now_s=NOW_S + 61)
    assert (later.state, later.live, later.ready) == (State.STALLED, False, False)
    assert later.reason == "the loop has not turned for 61 s"
    assert later.last_turn_age_s == 61.0


def test_a_batch_has_its_sizes_times_and_trigger(recorder: Recorder) -> None:
    rows = (work(tokens=10, arrived_s=NOW_S - 2), work(tokens=30, arrived_s=NOW_S - 1))
    compute(recorder, ScoredBatch(Batch(rows, Trigger.IDLE), [], 0.5, 0.5), NOW_S)
    [batch] = document(recorder, now_s=NOW_S + 3).batches
    assert (batch.reviews, batch.tokens, batch.trigger) == (2, 40, Trigger.IDLE)
    assert batch.padding_ratio == pytest.approx(20 / 60)
    assert (batch.waited_s, batch.inference_s) == (1.5, 0.5)
    assert batch.at == AT - timedelta(seconds=3)


def test_a_dead_letter_has_its_coordinates_and_its_reason(recorder: Recorder) -> None:
    recorder.stored([outcome(41, took_s=0.1, dead_because=Reason.INVALID_REVIEW)], at=Moment(NOW_S, WALL_S))
    status = document(recorder)
    [letter] = status.dead_letters
    assert (letter.topic, letter.partition, letter.offset) == (RAW, 1, 41)
    assert (letter.reason, letter.error) == (Reason.INVALID_REVIEW, "text: Field required")
    assert (status.last_minute.dead_letters, status.last_minute.reviews) == (1, 0)


def test_lists_hold_the_newest_entries_the_newest_first(recorder: Recorder) -> None:
    for number in range(3 * LAST):
        rows = (work(tokens=number + 1, arrived_s=NOW_S),)
        compute(recorder, ScoredBatch(Batch(rows, Trigger.SIZE), [], 0.0, 0.0), NOW_S)
    recorder.stored(
        [outcome(n, took_s=0.1, review_id=f"r-{n}") for n in range(3 * LAST)]
        + [outcome(n, took_s=0.1, dead_because=Reason.INVALID_JSON) for n in range(3 * LAST)],
        at=Moment(NOW_S, WALL_S),
    )
    status = document(recorder)
    newest = [*range(3 * LAST - 1, 2 * LAST - 1, -1)]
    assert [batch.tokens - 1 for batch in status.batches] == newest
    assert [letter.offset for letter in status.dead_letters] == newest
    assert [review.review_id for review in status.reviews or []] == [f"r-{number}" for number in newest]


def test_long_ids_and_errors_are_cut_before_they_are_kept(recorder: Recorder) -> None:
    long_one = outcome(2, took_s=0.1, dead_because=Reason.UNSCORABLE)._replace(error="e" * 100_000)
    recorder.stored([outcome(1, took_s=0.1, review_id="r" * 100_000), long_one], at=Moment(NOW_S, WALL_S))
    seen = recorder.seen(NOW_S)
    assert [len(str(review.fields["review_id"])) for review in seen.reviews or []] == [MAX_ID]
    assert [len(str(letter.fields["error"])) for letter in seen.dead_letters] == [MAX_ERROR]


def test_hidden_reviews_are_not_kept_either() -> None:
    recorder = busy_recorder(keeps_reviews=False)
    assert recorder.seen(NOW_S).reviews is None
    status = document(recorder)
    assert status.reviews is None
    assert status.last_minute.reviews > 0
    assert "r-90013" not in status.model_dump_json()


def test_the_assignment_is_what_the_loop_saw_last(recorder: Recorder) -> None:
    lag = {TopicPartition(RAW, 2): 3, TopicPartition(RAW, 10): None}
    recorder.stands(standing(NOW_S - 5, lag=lag, held_records=1, held_bytes=70, budget=FIXED))
    assignment = document(recorder).assignment
    assert assignment is not None
    assert [(one.partition, one.lag) for one in assignment.partitions] == [(2, 3), (10, None)]
    assert (assignment.held_records, assignment.held_bytes) == (1, 70)
    assert assignment.at == AT - timedelta(seconds=5)
    assert assignment.lag == 3


def test_the_largest_batch_size_comes_with_its_reason_and_the_estimated_costs(recorder: Recorder) -> None:
    chosen = Budget(700, Why.TARGET, target_s=0.2, prices=Prices(batch_s=0.01, token_s=1e-5))
    for budget, prices in ((FIXED, (None, None)), (chosen, (0.01, 1e-5))):
        recorder.stands(standing(NOW_S, budget=budget))
        batching = document(recorder).batching
        assert batching is not None
        assert (batching.budget_tokens, batching.why, batching.target_s) == (budget.tokens, budget.why, budget.target_s)
        assert (batching.batch_s, batching.token_s) == prices


def test_the_last_minute_and_the_last_15_minutes_are_counted_separately(recorder: Recorder) -> None:
    recorder.stored([outcome(1, took_s=4.0)] * 90, at=Moment(NOW_S - 300, WALL_S))
    recorder.stored([outcome(1, took_s=0.1)] * 10, at=Moment(NOW_S - 1, WALL_S))
    status = document(recorder)
    assert (status.last_minute.reviews, status.last_15_minutes.reviews) == (10, 100)
    assert status.last_minute.p50_s == pytest.approx(0.1, rel=0.1)
    assert status.last_15_minutes.p50_s == pytest.approx(4.0, rel=0.1)
    assert len(status.slots) == SLOTS
    assert status.slots[0].began_at >= AT - timedelta(seconds=(SLOTS + 1) * SLOT_S)


def test_the_document_names_the_model(recorder: Recorder) -> None:
    recorder.serving(MODEL)
    model = document(recorder).model
    assert model is not None
    assert model.model_dump() == {name: getattr(MODEL, name) for name in ("name", "version", "sha256", "engine")}


def test_settings_have_their_secrets_masked_and_their_changes_marked(recorder: Recorder) -> None:
    login = {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_username": "w",
        "sasl_password": HIDDEN,
    }
    status = document(recorder, settings=Settings.model_validate(login | {"linger_ms": 7}))
    assert HIDDEN not in status.model_dump_json()
    assert status.settings["sasl_password"].value == MASK
    changed = {name for name, setting in status.settings.items() if setting.changed}
    assert changed == {*login, "linger_ms"}

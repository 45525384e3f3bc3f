"""A bad review does not fail the others of its batch."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import BatchFailed, EngineBroken
from model.predictor import Predictions, TokenizedText
from worker.scoring.isolation import Poison, score_or_isolate
from worker.wire.scored import Score


def row(number: int) -> TokenizedText:
    return TokenizedText(ids=np.array([number], dtype=np.int32), unknown=0, truncated=False)


class FailingPredictor:
    """Scores a row by its only word. Fails any call with a bad row."""

    def __init__(self, bad: set[int]) -> None:
        self.bad = bad
        self.calls = 0

    def predict(self, rows: Sequence[TokenizedText]) -> Predictions:
        self.calls += 1
        numbers = [int(text.ids[0]) for text in rows]
        if self.bad & set(numbers):
            raise BatchFailed(f"cannot score {sorted(self.bad & set(numbers))}")
        return Predictions.of(rows, np.array([number / 100 for number in numbers], dtype=np.float32))


@given(st.integers(1, 64), st.sets(st.integers(0, 63)))
def test_only_the_failing_rows_are_poison_and_every_row_keeps_its_place(size: int, bad: set[int]) -> None:
    results = score_or_isolate(FailingPredictor(bad).predict, [row(number) for number in range(size)])
    assert len(results) == size
    for number, result in enumerate(results):
        if number in bad:
            assert result == Poison(f"cannot score [{number}]")
        else:
            assert isinstance(result, Score)
            assert result.probability == pytest.approx(number / 100)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.001, 1.001])
def test_only_a_row_whose_score_is_not_a_probability_is_poison(wrong: float) -> None:
    def predict(rows: Sequence[TokenizedText]) -> Predictions:
        predictions = FailingPredictor(set()).predict(rows)
        predictions.probabilities[[row.ids[0] == 2 for row in rows]] = wrong
        return predictions

    results = score_or_isolate(predict, [row(number) for number in range(5)])
    assert [isinstance(result, Poison) for result in results] == [False, False, True, False, False]


def test_one_bad_row_of_64_costs_12_more_calls_and_a_last_try() -> None:
    engine = FailingPredictor({17})
    score_or_isolate(engine.predict, [row(number) for number in range(64)])
    assert engine.calls == 1 + 12 + 1


def test_a_batch_too_large_for_the_memory_is_scored_in_parts() -> None:
    engine = FailingPredictor(set())
    sizes: list[int] = []

    def predict(rows: Sequence[TokenizedText]) -> Predictions:
        if len(rows) > 16:
            raise BatchFailed("no memory")
        sizes.append(len(rows))
        return engine.predict(rows)

    results = score_or_isolate(predict, [row(number) for number in range(64)])
    assert all(isinstance(result, Score) for result in results)
    assert sizes == [16] * 4


def test_a_temporary_fault_makes_no_row_poison() -> None:
    engine, faults = FailingPredictor(set()), iter([True, False])

    def predict(rows: Sequence[TokenizedText]) -> Predictions:
        if next(faults, False):
            raise BatchFailed("only once")
        return engine.predict(rows)

    assert all(isinstance(result, Score) for result in score_or_isolate(predict, [row(1)]))


def test_an_engine_that_fails_for_too_long_is_broken_and_no_row_is_poison() -> None:
    engine = FailingPredictor(set(range(64)))
    with pytest.raises(EngineBroken, match="took too long"):
        score_or_isolate(engine.predict, [row(number) for number in range(64)], out_of_time=lambda: engine.calls > 20)


def test_a_broken_engine_raises_and_no_row_is_poison() -> None:
    def broken(_rows: Sequence[TokenizedText]) -> Predictions:
        raise EngineBroken("device lost")

    with pytest.raises(EngineBroken):
        score_or_isolate(broken, [row(1), row(2)])

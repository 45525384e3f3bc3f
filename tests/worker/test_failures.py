"""One bad review costs one dead letter."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import BatchFailed, EngineBroken
from model.predictor import Predictions, TokenizedText
from worker.failures import Poison, Score, score_or_isolate


def row(number: int) -> TokenizedText:
    return TokenizedText(ids=np.array([number], dtype=np.int32), unknown=0, truncated=False)


class Engine:
    """Scores a row by its only word; fails any call that holds a bad one."""

    def __init__(self, bad: set[int]) -> None:
        self.bad = bad
        self.calls = 0

    def predict(self, rows: Sequence[TokenizedText]) -> Predictions:
        self.calls += 1
        numbers = [int(text.ids[0]) for text in rows]
        if self.bad & set(numbers):
            raise BatchFailed(f"cannot score {sorted(self.bad & set(numbers))}")
        return Predictions(
            probabilities=np.array([number / 100 for number in numbers], dtype=np.float32),
            tokens=np.ones(len(numbers), dtype=np.int32),
            truncated=np.zeros(len(numbers), dtype=np.bool_),
        )


@given(st.integers(1, 64), st.sets(st.integers(0, 63)))
def test_exactly_the_failing_rows_are_poison_and_every_row_keeps_its_place(size: int, bad: set[int]) -> None:
    results = score_or_isolate(Engine(bad).predict, [row(number) for number in range(size)])
    assert len(results) == size
    for number, result in enumerate(results):
        if number in bad:
            assert result == Poison(f"cannot score [{number}]")
        else:
            assert isinstance(result, Score)
            assert result.probability == pytest.approx(number / 100)


def test_one_bad_row_of_64_costs_12_further_calls() -> None:
    engine = Engine({17})
    score_or_isolate(engine.predict, [row(number) for number in range(64)])
    assert engine.calls == 1 + 12


def test_a_broken_engine_is_nobodys_poison() -> None:
    def broken(_rows: Sequence[TokenizedText]) -> Predictions:
        raise EngineBroken("device lost")

    with pytest.raises(EngineBroken):
        score_or_isolate(broken, [row(1), row(2)])

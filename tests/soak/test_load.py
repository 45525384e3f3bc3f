import json
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.soak.load import POISON_SHARE, WAVE_S, rate_at, records


@given(st.floats(0, 1e6))
def test_the_rate_stays_between_almost_nothing_and_the_peak(elapsed_s: float) -> None:
    assert 0 < rate_at(elapsed_s, peak_per_s=300) <= 300


def test_the_rate_goes_up_to_the_peak_and_down_again() -> None:
    assert rate_at(WAVE_S / 2, peak_per_s=300) == 300
    assert rate_at(0, peak_per_s=300) == rate_at(WAVE_S, peak_per_s=300) == 15


def test_about_one_record_in_a_hundred_is_no_review() -> None:
    bad = 0
    for record in islice(records(["a fine film"], seed=1), 10_000):
        assert record.value
        try:
            json.loads(record.value)
        except ValueError:
            bad += 1
    assert bad / 10_000 == pytest.approx(POISON_SHARE, rel=0.3)

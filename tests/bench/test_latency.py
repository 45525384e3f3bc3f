import pytest

from tests.bench.latency import Sent
from tests.bench.topics import key_of

SENT = Sent(first=5, due_s=[0.5, 2.0], began_s=100.0, lateness_s=[0.0, 0.25])


def test_a_wait_counts_from_when_the_review_was_due_however_late_it_was_sent() -> None:
    seen = {key_of(4): 90.0, key_of(5): 100.75, key_of(6): 103.0}
    assert SENT.waits_s(seen) == [0.25, 1.0]


def test_a_result_that_is_missing_is_no_wait() -> None:
    with pytest.raises(KeyError):
        SENT.waits_s({key_of(5): 100.75})


def test_sending_ends_with_the_last_review_not_when_that_was_due() -> None:
    assert SENT.ended_s == 102.25

"""How much the worker holds."""

from worker.delivery.backpressure import Backpressure


def test_fetching_pauses_when_full_and_resumes_when_more_than_a_quarter_is_free() -> None:
    held = Backpressure(max_records=4, max_bytes=1000)
    held.hold(3, 3)
    assert not held.changed()
    held.hold(1, 1)
    assert (held.changed(), held.paused) == (True, True)
    held.release(1, 1)
    assert not held.changed()
    held.release(1, 1)
    assert (held.changed(), held.paused) == (True, False)


def test_fetching_also_pauses_at_the_limit_of_bytes() -> None:
    held = Backpressure(max_records=100, max_bytes=10)
    held.hold(1, 10)
    assert (held.changed(), held.paused) == (True, True)


def test_the_room_is_never_negative() -> None:
    held = Backpressure(max_records=2, max_bytes=10)
    held.hold(3, 0)
    assert held.room_records == 0

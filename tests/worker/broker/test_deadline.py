"""What is left of a limit of time, by any clock."""

from worker.broker.deadline import Deadline


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_deadline_counts_from_its_creation() -> None:
    clock = Clock()
    deadline = Deadline(2.0, clock)
    assert (deadline.started_s, deadline.elapsed_s, deadline.left_s, deadline.over) == (100.0, 0.0, 2.0, False)
    clock.now_s = 101.5
    assert (deadline.elapsed_s, deadline.left_s, deadline.over) == (1.5, 0.5, False)


def test_nothing_is_left_once_it_has_passed() -> None:
    clock = Clock()
    deadline = Deadline(2.0, clock)
    clock.now_s = 102.0
    assert (deadline.left_s, deadline.over) == (0.0, True)
    clock.now_s = 110.0
    assert (deadline.left_s, deadline.over) == (0.0, True)
    assert Deadline(0.0, clock).over

import pytest

from tests.soak.gauges import Sample
from tests.soak.verdict import Growth, growths


def samples(*memory_mib: float) -> list[Sample]:
    return [Sample(float(second), value, 10, 20, 300) for second, value in enumerate(memory_mib)]


def memory(*memory_mib: float) -> Growth:
    return next(one for one in growths({"w": samples(*memory_mib)}) if one.gauge == "memory_mib")


def test_growth_while_it_warms_up_does_not_count() -> None:
    assert memory(100, 400, 800, 800, 800, 800, 800, 800, 800).allowed


def test_memory_that_grows_on_after_the_first_third_is_no_longer_flat() -> None:
    grown = memory(*(800 + 10 * second for second in range(9)))
    assert grown.before < grown.after
    assert not grown.allowed


def test_one_thread_more_than_before_is_no_longer_flat() -> None:
    taken = [Sample(float(second), 800, 10 + (second >= 6), 20, 300) for second in range(9)]
    assert [one.gauge for one in growths({"w": taken}) if not one.allowed] == ["threads"]


def test_a_single_probe_that_is_being_answered_does_not_count() -> None:
    taken = [Sample(float(second), 800, 10 + (second == 7), 20, 300) for second in range(9)]
    assert all(one.allowed for one in growths({"w": taken}))


def test_every_worker_is_compared_with_itself() -> None:
    found = list(growths({"a": samples(*[800] * 9), "b": samples(*range(800, 1700, 100))}))
    assert {one.worker for one in found if not one.allowed} == {"b"}


def test_a_run_without_a_second_third_is_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        list(growths({"w": samples(800)}))

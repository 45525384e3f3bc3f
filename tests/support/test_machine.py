import os

import pytest

from tests.support.machine import is_busy, resident_mib


@pytest.mark.parametrize(("load", "busy"), [(0.4, False), (0.6, True)])
def test_a_machine_is_busy_when_other_programs_use_a_quarter_of_its_cores(load: float, busy: bool) -> None:
    assert is_busy(load, cores=2) is busy


def test_the_memory_of_this_process_is_measured_in_mib() -> None:
    assert 10 < resident_mib(os.getpid()) < 100_000

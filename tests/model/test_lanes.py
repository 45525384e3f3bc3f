"""Computing threads: results, errors and their end."""

import gc
import subprocess
import sys
import threading

import pytest

from model.engines.lanes import Lanes
from tests.support.until import until


def test_results_and_errors_come_back_to_the_caller() -> None:
    lanes = Lanes(2, lambda: None)
    results = [lanes.submit(pow, number, 2) for number in range(50)]
    failing = lanes.submit(divmod, 1, 0)
    assert [result.result(timeout=10) for result in results] == [number**2 for number in range(50)]
    with pytest.raises(ZeroDivisionError):
        failing.result(timeout=10)
    assert lanes.submit(pow, 2, 3).result(timeout=10) == 8, "a lane survives the error of its work"


def test_the_threads_end_with_their_owner() -> None:
    before = set(threading.enumerate())
    lanes = Lanes(3, lambda: None)
    assert lanes.submit(pow, 2, 3).result(timeout=10) == 8
    threads = set(threading.enumerate()) - before
    assert len(threads) == 3
    del lanes
    gc.collect()
    until(lambda: not any(thread.is_alive() for thread in threads), 10, "the threads have ended")


def test_a_lane_that_hangs_keeps_no_process_from_ending() -> None:
    program = (
        "import threading\n"
        "from model.engines.lanes import Lanes\n"
        "lanes = Lanes(1, lambda: None)\n"
        "lanes.submit(threading.Event().wait)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)

"""Whether engines agree."""

import numpy as np

from tests.bench.agreement import told


def test_engines_that_decide_alike_may_differ_a_little() -> None:
    expected = np.array([0.1, 0.6, 0.9], np.float32)
    labels = np.array([False, True, False])
    assert told(expected, expected, labels) == "66.67% right, 0 decisions differ, largest difference 0"
    found = np.array([0.1, 0.4, 0.9], np.float32)
    assert told(found, expected, labels) == "33.33% right, 1 decisions differ, largest difference 0.2"

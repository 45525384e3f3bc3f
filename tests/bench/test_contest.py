import pytest

from tests.bench.peers.contest import differences

EXPECTED = {b"1": 0.25, b"2": 0.75}


@pytest.mark.parametrize(
    ("found", "differing"),
    [
        ({b"1": 0.25, b"2": 0.75}, 0),
        ({b"1": 0.2500009, b"2": 0.75}, 0),
        ({b"1": 0.25, b"2": 0.7501}, 1),
        ({b"1": 0.25}, 1),
        ({b"1": 0.75, b"2": 0.25}, 2),
    ],
)
def test_results_differ_that_are_missing_or_beyond_the_tolerance(found: dict[bytes, float], differing: int) -> None:
    assert differences(found, EXPECTED, tolerance=1e-5) == differing

"""What the support for Prometheus makes of rules."""

from tests.support.prometheus import hurried

HOURS = """\
for: 2m
expr: x:rate5m[1h] offset 1d > 60 and predict_linear(y[30m], 3600) > 5 or (x_age_seconds) > 60
summary: within an hour
"""
MINUTES = """\
for: 2000ms
expr: x:rate5m[60000ms] offset 1440000ms > 60 and predict_linear(y[30000ms], 60) > 5 or (x_age_seconds) > 1
summary: within an hour
"""


def test_in_a_world_that_hurries_durations_are_shorter_and_nothing_else_changes() -> None:
    assert hurried(HOURS, 60) == MINUTES

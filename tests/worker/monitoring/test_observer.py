"""Several observers are one for the loop."""

import inspect
from unittest.mock import create_autospec

import pytest

from worker.monitoring.observer import Observer, Observers

REPORTS = [name for name, _ in inspect.getmembers(Observer, inspect.isfunction) if not name.startswith("_")]


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_reaches_every_observer(name: str) -> None:
    both = [create_autospec(Observer, instance=True) for _ in range(2)]
    parameters = inspect.signature(getattr(Observer, name)).parameters.values()
    args = [object() for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD and one.name != "self"]
    kwargs = {one.name: object() for one in parameters if one.kind is one.KEYWORD_ONLY}
    getattr(Observers(*both), name)(*args, **kwargs)
    for observer in both:
        getattr(observer, name).assert_called_once_with(*args, **kwargs)


def test_an_observer_ignores_what_it_does_not_override() -> None:
    assert Observer().stopping() is None  # type: ignore[func-returns-value]

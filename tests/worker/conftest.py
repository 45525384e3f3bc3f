"""The fixtures of `tests.support.stage` that tests of the worker use."""

from tests.support.stage import tiny_artifact

__all__ = ["tiny_artifact"]

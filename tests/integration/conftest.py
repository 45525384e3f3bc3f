"""The fixtures of `tests.support`."""

from tests.support.logs import logging_as_it_was
from tests.support.stage import make_stage, stage, tiny_artifact

__all__ = ["logging_as_it_was", "make_stage", "stage", "tiny_artifact"]

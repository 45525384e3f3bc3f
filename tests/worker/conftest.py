"""Fixtures for tests of the worker."""

from tests.support.logs import logging_as_it_was
from tests.support.stage import tiny_artifact

__all__ = ["logging_as_it_was", "tiny_artifact"]

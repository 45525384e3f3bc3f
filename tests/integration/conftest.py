"""The fixtures of `tests.support.stage`."""

from tests.support.stage import make_stage, stage, tiny_artifact

__all__ = ["make_stage", "stage", "tiny_artifact"]

"""Loading the model that the settings name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model.engines import load_predictor
from model.errors import ModelError
from model.predictor import Predictor
from worker.errors import ModelUnusable
from worker.settings.schema import Settings


def open_predictor(settings: Settings, artifact: Path | None = None) -> Predictor:
    """Load an artifact, or None for that of the settings, into the engine of the settings. Raises ModelUnusable."""
    with model_unusable():
        return load_predictor(
            artifact or settings.model,
            engine=settings.engine,
            device=settings.device,
            precision=settings.precision,
            threads=settings.threads,
        )


@contextmanager
def model_unusable() -> Iterator[None]:
    """Raise a ModelError as ModelUnusable, which has an exit status."""
    try:
        yield
    except ModelError as exc:
        raise ModelUnusable(str(exc)) from exc

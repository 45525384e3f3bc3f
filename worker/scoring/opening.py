"""Loading the model that the settings name."""

from model.engines import load_predictor
from model.errors import ModelError
from model.predictor import Predictor
from worker.errors import ModelUnusable
from worker.settings.schema import Settings


def open_predictor(settings: Settings) -> Predictor:
    """Load the artifact and the engine that the settings name. Raises ModelUnusable."""
    try:
        return load_predictor(
            settings.model,
            engine=settings.engine,
            device=settings.device,
            precision=settings.precision,
            threads=settings.threads,
        )
    except ModelError as exc:
        raise ModelUnusable(str(exc)) from exc

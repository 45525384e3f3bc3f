"""The models in this package."""

from pathlib import Path

DEFAULT_ARTIFACT = Path(__file__).parent / "imdb-bilstm"

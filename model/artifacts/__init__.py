"""Models that are shipped with the program."""

from pathlib import Path

DEFAULT_ARTIFACT = Path(__file__).parent / "imdb-bilstm"

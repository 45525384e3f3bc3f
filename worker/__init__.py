"""The streaming sentiment worker: reviews from Kafka, scored in micro-batches, back to Kafka."""

from importlib.metadata import version

__version__ = version("sentiment-worker")  # pyproject.toml has it

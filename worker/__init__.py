"""The streaming sentiment worker: reviews from Kafka, scored in micro-batches, back to Kafka."""

__version__ = "0.1.0"

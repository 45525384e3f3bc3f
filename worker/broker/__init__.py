"""Kafka: the contract that the worker needs of it, and the two client libraries that keep it."""

"""Helpers that know Kafka and time, and nothing of the worker: what a test claims is checked from outside."""

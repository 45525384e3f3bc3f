"""Text in, calibrated probability out: networks, tokenizers, the artifact on disk and the engines that compute it.

This package does not use Kafka, HTTP, Prometheus or training.
"""

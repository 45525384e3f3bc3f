"""Text in, calibrated probability out: networks, tokenizers, the artifact on disk and the engines that serve it.

This room knows nothing of Kafka, HTTP, Prometheus or training.
"""

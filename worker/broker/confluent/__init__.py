"""The broker contract on confluent-kafka (librdkafka)."""

"""`make demo`: sends real reviews through a real Kafka and a worker of its own, and counts the results."""

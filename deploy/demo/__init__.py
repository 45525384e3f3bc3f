"""`make demo`: real reviews through a real Kafka, scored by a worker of their own, counted from outside."""

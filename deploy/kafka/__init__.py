"""A real Kafka for the demo, the tests and the benchmarks: one given, one in a container, or one started here."""

"""A real Kafka for the demo, the tests and the benchmarks: at a given address, in a container, or as a process."""

"""Everything on one machine: Kafka, a worker, Prometheus, Grafana."""

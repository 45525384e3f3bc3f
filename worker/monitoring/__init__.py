"""What operators see of the worker: health, metrics, traces, the status page."""

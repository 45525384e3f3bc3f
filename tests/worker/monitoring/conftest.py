"""Fixtures for tests of the monitoring."""

from tests.worker.monitoring.http_rig import address, health, registry, serve

__all__ = ["address", "health", "registry", "serve"]

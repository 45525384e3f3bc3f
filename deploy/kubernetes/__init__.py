"""Kustomize's base and overlays, and the alerts in the Prometheus operator's format."""

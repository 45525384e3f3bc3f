"""Kustomize's base and overlays, and the alerts as the Prometheus operator takes them."""

"""How fast the engine is on this machine: what `sentiment-worker bench` measures, and tests/bench builds on."""

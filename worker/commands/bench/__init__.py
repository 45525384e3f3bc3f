"""How fast the engine is on this machine: the `bench` command. tests/bench uses its parts."""

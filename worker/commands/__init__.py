"""The work of each command, in a file named as the command. Flags are in `worker.cli`."""

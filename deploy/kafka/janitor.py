"""Cleans up after a process that could not: killed by SIGKILL, by the kernel, or by a closing terminal."""

import subprocess
from collections.abc import Sequence

# The pipe to its standard input closes when this process ends in any way; a line on it means: nothing to clean up.
WAIT = 'read -r released || exec "$@"'


class Janitor:
    """A small process that runs `command` after this process has ended, unless released before."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # the commands are our own
            ["/bin/sh", "-c", WAIT, "janitor", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that Ctrl-C does not end it
        )

    def release(self) -> None:
        """End it without running the command."""
        self._process.communicate(b"released\n")

"""Cleaning up after a process that had no chance to: killed by SIGKILL, by the kernel, or by a closing terminal."""

import subprocess
from collections.abc import Sequence

# The pipe to its standard input closes when we are gone, however we went; a line on it means: all clean, go home.
WAIT = 'read -r released || exec "$@"'


class Janitor:
    """A tiny process that runs `command` once this process has died, unless released before."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # the commands are our own
            ["/bin/sh", "-c", WAIT, "janitor", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is for us alone
        )

    def release(self) -> None:
        """Send it home without running the command."""
        self._process.communicate(b"released\n")

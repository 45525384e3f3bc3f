"""Runs other programs with a time limit, and shows their output in errors."""

import shutil
import subprocess
from collections.abc import Sequence

from deploy.kafka.broker import WayClosed

TAIL_LINES = 15


class CommandFailed(WayClosed):
    """A program failed or ran out of time; the message ends with the tail of its output."""


def found(program: str) -> str:
    """The path of `program`. Raises WayClosed if it is not installed."""
    path = shutil.which(program)
    if path is None:
        raise WayClosed(f"there is no `{program}` command")
    return path


def run(command: Sequence[str], *, limit_s: float, failure: str = "") -> str:
    """The output of `command`, including stderr. Raises CommandFailed, whose message begins with `failure`."""
    try:
        done = subprocess.run(  # noqa: S603  # the commands are our own
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{failure}`{command[0]}` did not end within {limit_s:.0f} s") from error
    if done.returncode != 0:
        raise CommandFailed(f"{failure}`{command[0]}` failed with status {done.returncode}:\n{tail(done.stdout)}")
    return done.stdout


def tail(text: str) -> str:
    """The last lines of `text`."""
    return "\n".join(text.rstrip().splitlines()[-TAIL_LINES:])

"""Somebody who types what a page says, at the top of a checkout, in as many terminals as it takes."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.kafka.ports import free_ports
from tests.support.until import until
from tests.support.worker_process import ROOT, environment

COMMAND_LIMIT_S = 120.0
START_LIMIT_S = 120.0  # a broker that may have to be fetched
END_LIMIT_S = 60.0
WRITTEN_PORTS = ("9092", "8080", "8081")  # of the broker and of two workers; the test takes free ones
OF_THE_TEST = {"runs", "data", ".venv"}  # what commands write there is not for the checkout


class Terminal:
    """One command that goes on until Ctrl-C."""

    def __init__(self, line: str, cwd: Path, env: Mapping[str, str], log: Path) -> None:
        self.line = line
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["bash", "-c", line],  # noqa: S607  # wherever the system has it
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def shows(self) -> str:
        """What was printed so far."""
        return self._log.read_text(errors="replace")

    def ended(self) -> int | None:
        """The exit status, if there is one already."""
        return self._process.poll()

    def interrupt(self) -> int:
        """Ctrl-C, unless it has ended; its exit status."""
        if self.ended() is None:
            os.killpg(self._process.pid, signal.SIGINT)
        return self._process.wait(END_LIMIT_S)

    def kill(self) -> None:
        """End it at once, with what it started."""
        if self.ended() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Newcomer:
    """Types in a folder that looks like the checkout, on ports that are free; all terminals are closed in the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for entry in ROOT.iterdir():
            if entry.name not in OF_THE_TEST:
                (folder / entry.name).symlink_to(entry)
        (folder / ".venv").symlink_to(sys.prefix)
        self._ports = dict(zip(WRITTEN_PORTS, map(str, free_ports(len(WRITTEN_PORTS))), strict=True))
        broker, worker, _ = self._ports.values()
        # The defaults but for the ports, the log as on a terminal, and the code of this checkout.
        settings = {"bootstrap_servers": f"localhost:{broker}", "http_port": worker, "log_format": "text"}
        self._env = environment(settings) | {"PYTHONPATH": str(ROOT)}
        self._terminals: list[Terminal] = []

    def types(self, line: str) -> str:
        """Wait for the end of a command, which has to be a good one; what it printed."""
        line = self._on_our_ports(line)
        words = shlex.split(line, comments=True)
        if words[0] == "export":
            self._env |= dict(word.split("=", 1) for word in words[1:])
            return ""
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],  # noqa: S607  # wherever the system has it
            cwd=self._folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, f"{line!r} ended with {done.returncode}; it said:\n{done.stdout}"
        return self._as_written(done.stdout)

    def starts(self, line: str, *, until_it_shows: re.Pattern[str]) -> None:
        """Begin a command in a terminal of its own, and go on when it has printed this."""
        log = self._folder / f"terminal-{len(self._terminals) + 1}.log"
        terminal = Terminal(self._on_our_ports(line), self._folder, self._env, log)
        self._terminals.append(terminal)

        def shown() -> bool:
            ended = terminal.ended()  # asked first: what it says at its end must not be missed
            found = until_it_shows.search(self._as_written(terminal.shows())) is not None
            assert found or ended is None, f"{line!r} ended with {ended}; it said:\n{terminal.shows()}"
            return found

        try:
            until(shown, START_LIMIT_S, f"{line!r} prints {until_it_shows.pattern}")
        except AssertionError as error:
            error.add_note(f"it printed:\n{terminal.shows()}")
            raise

    def interrupts(self, program: str) -> None:
        """Ctrl-C in every terminal that runs `program`, the newest first; each must end well, if it was not killed."""
        for terminal in [each for each in reversed(self._terminals) if program in each.line]:
            self._terminals.remove(terminal)
            status, expected = terminal.interrupt(), -signal.SIGKILL if "KILL" in terminal.line else 0
            assert status == expected, f"{terminal.line!r} ended with {status}; it said:\n{terminal.shows()}"

    def _on_our_ports(self, text: str) -> str:
        return _replaced(text, self._ports)

    def _as_written(self, text: str) -> str:
        return _replaced(text, {ours: written for written, ours in self._ports.items()})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for terminal in reversed(self._terminals):
            terminal.kill()


def _replaced(text: str, ports: Mapping[str, str]) -> str:
    return re.sub(r"\b\d+\b", lambda match: ports.get(match[0], match[0]), text)

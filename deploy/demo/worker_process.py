"""The demo's worker, as a process of its own."""

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.demo.errors import DemoFailed
from deploy.kafka.commands import tail
from deploy.kafka.janitor import Janitor

PROJECT: Final = Path(__file__).parents[2]
READY_LIMIT_S: Final = 120.0
READY_RETRY_S: Final = 0.05
ANSWER_LIMIT_S: Final = 1.0
STOP_LIMIT_S: Final = 40.0  # its drain may take 25 s, closing its clients 5 s each
GIVE_UP_LIMIT_S: Final = 5.0  # when its results are no longer needed
CLEAN_UP: Final = 'kill -s KILL -- "$1"; rm -rf -- "$2"'


class WorkerProcess:
    """`sentiment-worker run` in its own session, so that Ctrl-C reaches only the demo. It ends with this process."""

    def __init__(self, environ: Mapping[str, str], *, http_port: int, directory: Path) -> None:
        """`environ` is its whole environment, and makes it listen on `http_port` of 127.0.0.1.

        It logs into `directory`, which is removed too if this process is killed.
        """
        self._http_port = http_port
        self._log = directory / "worker.log"
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "worker", "run"],  # -P: ignore a `worker` in the current directory
                env=_with_our_modules(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._janitor = Janitor(["/bin/sh", "-c", CLEAN_UP, "clean-up", str(self._process.pid), str(directory)])

    def wait_until_ready(self) -> None:
        """Return when `/readyz` answers 200. Raises DemoFailed if the worker ends or is not ready in 120 s."""
        deadline_s = time.monotonic() + READY_LIMIT_S
        while not self._is_ready():
            if self._ended():
                raise DemoFailed(f"the worker could not start: it {self._end_of_it()}")
            if time.monotonic() > deadline_s:
                raise DemoFailed(f"the worker is not ready after {READY_LIMIT_S:.0f} s; {self._last_words()}")
            time.sleep(READY_RETRY_S)

    def check(self) -> None:
        """Raise DemoFailed if the worker has ended."""
        if self._ended():
            raise DemoFailed(f"before its work was done the worker {self._end_of_it()}")

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page of its HTTP server. Raises OSError if it does not answer within a second."""
        connection = http.client.HTTPConnection("127.0.0.1", self._http_port, timeout=ANSWER_LIMIT_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except http.client.HTTPException as error:
            raise ConnectionError(f"no HTTP answer: {error!r}") from error
        finally:
            connection.close()

    def stop(self) -> None:
        """Ask it to drain (SIGTERM) and wait for its exit. Raises DemoFailed if it fails or takes more than 40 s."""
        self.check()
        self._process.terminate()
        try:
            status = self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise DemoFailed(f"the worker did not drain within {STOP_LIMIT_S:.0f} s; {self._last_words()}") from error
        if status != 0:
            raise DemoFailed(f"when asked to drain the worker {self._end_of_it()}")

    def _is_ready(self) -> bool:
        try:
            return self.get("/readyz")[0] == http.client.OK
        except OSError:
            return False

    def _ended(self) -> bool:
        return self._process.poll() is not None

    def _end_of_it(self) -> str:
        status = self._process.returncode
        how = f"ended with status {status}"
        if status < 0:
            how = f"was ended by signal {-status} ({signal.strsignal(-status)})"
        return f"{how}; {self._last_words()}"

    def _last_words(self) -> str:
        log = self._log.read_text(errors="replace")
        return f"its log ends:\n{tail(log)}" if log.strip() else "its log is empty"

    def close(self) -> None:
        """End it, in any state."""
        if not self._ended():
            self._process.terminate()
            try:
                self._process.wait(GIVE_UP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._janitor.release()


def _with_our_modules(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with a PYTHONPATH to the worker beside this package, whether it is installed or not."""
    return {**environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), environ.get("PYTHONPATH")]))}

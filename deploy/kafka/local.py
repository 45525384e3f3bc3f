"""A broker as a process on this machine, from Kafka's jars, with its data in a temporary directory."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import ClassVar

from deploy.kafka.broker import Broker, Kind, StartFailed
from deploy.kafka.commands import run, tail
from deploy.kafka.janitor import Janitor
from deploy.kafka.jars import find_jars, find_java, version_of
from deploy.kafka.ports import free_ports
from deploy.kafka.properties import NOTHING_MORE, Extras, Placement, as_file, settings
from deploy.kafka.readiness import wait_until_serves

CLUSTER_ID = "c2VudGltZW50LXdvcmtlcg"  # any 16 bytes in base64; these say "sentiment-worker"
JVM_OPTIONS = ("-Xmx512m", "-XX:+UseSerialGC")
LOGGING = Path(__file__).with_name("log4j2.properties")
START_LIMIT_S = 120.0
STOP_LIMIT_S = 30.0
# The killed process may still write while its files are removed, hence the second try.
CLEAN_UP = 'kill -s KILL -- "-$(cat "$1/pid")"; rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }'


class LocalBroker(Broker):
    """Kafka in its own process group; it does not outlive this process, even if that is killed."""

    kind: ClassVar[Kind] = "local"

    def __init__(self, *, port: int | None, report: Callable[[str], None], extras: Extras = NOTHING_MORE) -> None:
        """Find Java and the jars; may fetch the jars. Raises WayClosed."""
        self._extras = extras
        self._java = find_java()
        self._jars = find_jars(report)
        self.name = f"local Apache Kafka {version_of(self._jars)}"
        self._internal_ports = free_ports(3)
        self._port = port or self._internal_ports[2]
        self.address = f"127.0.0.1:{self._port}"
        self.controller = f"127.0.0.1:{self._internal_ports[1]}"  # for a second broker to join this one
        self._directory: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._janitor: Janitor | None = None

    def start(self) -> None:
        """See Broker."""
        directory = self._directory or self._prepare()
        with (directory / "kafka.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # the command is our own
                self._command("kafka.Kafka", str(directory / "server.properties")),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that Ctrl-C does not end it: we shut it down cleanly
            )
        process = self._process
        (directory / "pid").write_text(str(process.pid))
        if not wait_until_serves(self._port, limit_s=START_LIMIT_S, alive=lambda: process.poll() is None):
            raise StartFailed(f"local Kafka does not answer at {self.address}; its log ends:\n{self.log_tail()}")

    def stop(self) -> None:
        """See Broker. A broker that does not end in 30 s is killed."""
        self.resume()  # a frozen process cannot shut down
        self._signal(signal.SIGTERM)
        try:
            self._forget_process(limit_s=STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """See Broker."""
        self._signal(signal.SIGKILL)
        self._forget_process(limit_s=STOP_LIMIT_S)

    def pause(self) -> None:
        """See Broker."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """See Broker."""
        self._signal(signal.SIGCONT)

    def log_tail(self) -> str:
        """See Broker."""
        return tail((self._directory / "kafka.log").read_text(errors="replace")) if self._directory else ""

    def close(self) -> None:
        """See Broker."""
        self.kill()  # a clean shutdown takes seconds, for data that is deleted now
        if self._directory is not None:
            shutil.rmtree(self._directory)
            self._directory = None
        if self._janitor is not None:
            self._janitor.release()
            self._janitor = None

    def _prepare(self) -> Path:
        directory = Path(mkdtemp(prefix="sentiment-kafka-"))
        self._directory = directory
        self._janitor = Janitor(["/bin/sh", "-c", CLEAN_UP, "clean-up", str(directory)])
        broker_port, controller_port, _ = self._internal_ports
        placement = Placement(
            client_host="127.0.0.1",
            client_port=self._port,
            advertised=self.address,
            broker_port=broker_port,
            controller_port=controller_port,
            data_dir=str(self._extras.data_dir or directory / "data"),
        )
        properties = directory / "server.properties"
        properties.write_text(as_file(settings(placement, self._extras)))
        format_storage = self._command("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties))
        run(format_storage, limit_s=60, failure="local Kafka could not prepare its storage: ")
        return directory

    def _command(self, main_class: str, *arguments: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={LOGGING}"
        options = (*JVM_OPTIONS, *self._extras.jvm_options, logging)
        return [self._java, *options, "-cp", f"{self._jars}/*", main_class, *arguments]

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def _forget_process(self, *, limit_s: float) -> None:
        if self._process is None or self._directory is None:
            return
        self._process.wait(timeout=limit_s)
        (self._directory / "pid").unlink(missing_ok=True)  # another process may get the number from now on
        self._process = None

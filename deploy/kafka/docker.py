"""A broker in a container: the official image, or the one from build-image.sh for machines without a registry.

The docker command finds the daemon and the image; testcontainers, from the extra `demo`, runs the container.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

from deploy.kafka.broker import Broker, Kind, StartFailed, WayClosed
from deploy.kafka.commands import CommandFailed, found, run, tail
from deploy.kafka.janitor import Janitor
from deploy.kafka.ports import free_ports
from deploy.kafka.properties import NOTHING_MORE, Extras, Placement, as_variables, settings
from deploy.kafka.readiness import wait_until_serves

if TYPE_CHECKING:
    from docker.models.containers import Container
    from testcontainers.core.container import DockerContainer

OFFICIAL_IMAGE = "apache/kafka:4.3.0"
BUILT_IMAGE = "sentiment-worker/kafka:4.3.0"
ANSWER_LIMIT_S = 10.0
PULL_LIMIT_S = 60.0
START_LIMIT_S = 120.0
STOP_LIMIT_S = 30
CLIENT_PORT = 9092  # inside the container
DATA_DIR = "/tmp/kafka-data"  # noqa: S108  # inside the container, where any user may write
JVM_VARIABLES = {"KAFKA_HEAP_OPTS": "-Xmx512m", "KAFKA_JVM_PERFORMANCE_OPTS": "-XX:+UseSerialGC"}


class DockerBroker(Broker):
    """Kafka in a container that does not outlive this process, even if that is killed."""

    kind: ClassVar[Kind] = "docker"

    def __init__(self, *, port: int | None, report: Callable[[str], None], extras: Extras = NOTHING_MORE) -> None:
        """Find the daemon and an image; may pull one. Raises WayClosed."""
        self._extras = extras
        if find_spec("testcontainers") is None:
            raise WayClosed("the testcontainers package is not installed: pip install testcontainers")
        self._docker = found("docker")
        self._image = _find_image(self._docker, report)
        self.name = f"Apache Kafka in container {self._image}"
        self._port = port or free_ports(1)[0]
        self.address = f"127.0.0.1:{self._port}"
        self._created: DockerContainer | None = None
        self._janitor: Janitor | None = None

    def start(self) -> None:
        """See Broker."""
        with _docker_errors("start"):
            if self._created is None:
                self._create()
            else:
                self._container.start()
        if not wait_until_serves(self._port, limit_s=START_LIMIT_S, alive=self._is_running):
            raise StartFailed(f"{self.name} does not answer at {self.address}; its log ends:\n{self.log_tail()}")

    def stop(self) -> None:
        """See Broker. A container that does not end in 30 s is killed."""
        self.resume()  # a frozen container cannot shut down
        with _docker_errors("stop"):
            self._container.stop(timeout=STOP_LIMIT_S)

    def kill(self) -> None:
        """See Broker."""
        self.resume()  # Docker refuses to kill a frozen container
        with _docker_errors("kill"):
            self._container.kill()
            self._container.wait(timeout=STOP_LIMIT_S)

    def pause(self) -> None:
        """See Broker."""
        with _docker_errors("pause"):
            self._container.pause()

    def resume(self) -> None:
        """See Broker."""
        with _docker_errors("resume"):
            if self._status() == "paused":
                self._container.unpause()

    def log_tail(self) -> str:
        """See Broker."""
        with _docker_errors("read the log of"):
            return tail(self._container.logs().decode(errors="replace"))

    def close(self) -> None:
        """See Broker."""
        if self._created is not None:
            with _docker_errors("remove"):
                self._created.stop(force=True, delete_volume=True)
            self._created = None
        if self._janitor is not None:
            self._janitor.release()
            self._janitor = None

    def _create(self) -> None:
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        testcontainers_config.ryuk_disabled = True  # our janitor does the same without a second image
        name = f"sentiment-kafka-{uuid4().hex[:12]}"
        self._janitor = Janitor([self._docker, "rm", "--force", "--volumes", name])
        environment = variables(self.address, self._extras) | {"KAFKA_OPTS": " ".join(self._extras.jvm_options)}
        self._created = DockerContainer(self._image, env=environment, name=name)
        inside_and_out = {CLIENT_PORT: self._port} | {each.port: each.port for each in self._extras.listeners}
        for inside, outside in inside_and_out.items():
            # On loopback only. Docker takes an interface here, although the annotation does not allow one.
            self._created.ports[f"{inside}/tcp"] = ("127.0.0.1", outside)  # type: ignore[assignment]
        if self._extras.data_dir:
            self._created.with_volume_mapping(self._extras.data_dir, DATA_DIR, mode="rw")
        with ThreadPoolExecutor(1) as aside:  # so that Ctrl-C waits for the daemon, and loses no half-created container
            aside.submit(self._created.start).result()

    @property
    def _container(self) -> "Container":
        if self._created is None:
            raise StartFailed(f"{self.name} was not started")
        return self._created.get_wrapped_container()

    def _status(self) -> str:
        self._container.reload()
        return str(self._container.status)

    def _is_running(self) -> bool:
        with _docker_errors("look at"):
            return self._status() == "running"


def variables(advertised: str, extras: Extras) -> dict[str, str]:
    """The environment of a container whose broker advertises this host:port to clients."""
    placement = Placement(
        client_host="0.0.0.0",  # noqa: S104  # inside the container; published on loopback only
        client_port=CLIENT_PORT,
        advertised=advertised,
        broker_port=9094,
        controller_port=9093,
        data_dir=DATA_DIR,
    )
    return as_variables(settings(placement, extras)) | JVM_VARIABLES


def _find_image(docker: str, report: Callable[[str], None]) -> str:
    """KAFKA_IMAGE if set, else an image on this machine, else the official one; may pull it. Raises WayClosed."""
    try:
        run([docker, "version"], limit_s=ANSWER_LIMIT_S)
    except CommandFailed as error:
        raise WayClosed("no Docker daemon answers") from error
    wanted = os.environ.get("KAFKA_IMAGE")
    for image in [wanted] if wanted else [OFFICIAL_IMAGE, BUILT_IMAGE]:
        if _is_here(docker, image):
            return image
    image = wanted or OFFICIAL_IMAGE
    report(f"pulling {image}, for {PULL_LIMIT_S:.0f} s at most")
    failure = f"{image} is not on this machine and could not be pulled: "
    run([docker, "pull", "--quiet", image], limit_s=PULL_LIMIT_S, failure=failure)
    return image


def _is_here(docker: str, image: str) -> bool:
    try:
        run([docker, "image", "inspect", image], limit_s=ANSWER_LIMIT_S)
    except CommandFailed:
        return False
    return True


@contextmanager
def _docker_errors(doing: str) -> Iterator[None]:
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except (DockerException, RequestException) as error:
        raise StartFailed(f"Docker could not {doing} the container: {error}") from error

"""The operations of a broker, for every way to run one, and the errors of starting one."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import ClassVar, Literal

Kind = Literal["address", "docker", "local"]


class LauncherError(Exception):
    """Base of the errors below; the first line of a message is a summary."""


class WayClosed(LauncherError):
    """This way to run a broker is not available on this machine; the message says what is missing."""


class StartFailed(LauncherError):
    """The broker was started but does not answer; the message ends with the tail of its log."""


class NotOurs(LauncherError):
    """Only the owner of the broker at a given address may do this."""


class NoBroker(LauncherError):
    """No way to run a broker is available; the message names them all."""


class Broker(AbstractContextManager["Broker"], ABC):
    """A Kafka broker, which keeps its address and data until `close`. Nothing runs before `start`. Not thread-safe."""

    kind: ClassVar[Kind]
    name: str  # for people, e.g. "Apache Kafka 4.3.0 in container apache/kafka:4.3.0"
    address: str  # bootstrap servers, as in clients
    passed_over: str = ""  # why earlier ways to run one failed, for people

    @property
    def description(self) -> str:
        """One line for people: the broker, its address, and why not another way."""
        because = f" ({self.passed_over})" if self.passed_over else ""
        return f"{self.name} at {self.address}{because}"

    @abstractmethod
    def start(self) -> None:
        """Start it with its earlier data; return when it serves. Raises WayClosed, StartFailed."""

    @abstractmethod
    def stop(self) -> None:
        """Shut it down cleanly (SIGTERM) and wait for its exit."""

    @abstractmethod
    def kill(self) -> None:
        """End it at once (SIGKILL) and wait for its exit."""

    @abstractmethod
    def pause(self) -> None:
        """Freeze it: connections stay open, but nothing answers."""

    @abstractmethod
    def resume(self) -> None:
        """Undo `pause`."""

    @abstractmethod
    def log_tail(self) -> str:
        """The last lines of its log."""

    @abstractmethod
    def close(self) -> None:
        """End it and remove its process, container and files. Idempotent."""

    def restart(self) -> None:
        """`stop`, then `start`."""
        self.stop()
        self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

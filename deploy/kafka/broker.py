"""What a broker can be asked to do, however it runs, and the errors on the way to one."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import ClassVar, Literal, Self

Kind = Literal["address", "docker", "local"]


class LauncherError(Exception):
    """Base of every error below; its first line stands on its own."""


class WayClosed(LauncherError):
    """This way to a broker does not exist on this machine; the message says what is missing."""


class StartFailed(LauncherError):
    """The broker was started and does not answer; the message ends with the tail of its log."""


class NotOurs(LauncherError):
    """The broker at a given address was asked for something that only its owner may do."""


class NoBroker(LauncherError):
    """Every way to a broker is closed; the message names them all."""


class Broker(ABC):
    """One Kafka broker. Its address stays the same, and its data are kept, until `close`.

    Nothing runs before `start`. Not safe for use from several threads at once.
    """

    kind: ClassVar[Kind]
    name: str  # what runs, for people: "Apache Kafka 4.3.0 in container apache/kafka:4.3.0"
    address: str  # bootstrap servers, as clients take them
    proxied_address: str = ""  # for a proxy alone: where it connects to, if one was announced
    passed_over: str = ""  # why the ways before this one were not taken, for people

    @property
    def description(self) -> str:
        """One line for people: what runs, where, and why not something else."""
        because = f" ({self.passed_over})" if self.passed_over else ""
        return f"{self.name} at {self.address}{because}"

    @abstractmethod
    def start(self) -> None:
        """Bring it up, with the data it had; return when it serves. Raises WayClosed, StartFailed."""

    @abstractmethod
    def stop(self) -> None:
        """Shut it down in good order (SIGTERM) and wait until it is gone."""

    @abstractmethod
    def kill(self) -> None:
        """End it at once (SIGKILL) and wait until it is gone."""

    @abstractmethod
    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""

    @abstractmethod
    def resume(self) -> None:
        """Undo `pause`."""

    @abstractmethod
    def log_tail(self) -> str:
        """The last lines of its log."""

    @abstractmethod
    def close(self) -> None:
        """End it and leave nothing behind: no process, no container, no file. Idempotent."""

    def restart(self) -> None:
        """`stop`, then `start`."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

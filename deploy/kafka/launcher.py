"""Chooses a broker: the address that the user gave, else a container, else a local process."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from deploy.kafka.address import AddressBroker
from deploy.kafka.broker import Broker, LauncherError, NoBroker
from deploy.kafka.docker import DockerBroker
from deploy.kafka.local import LocalBroker
from deploy.kafka.properties import NOTHING_MORE, Extras

Tell = Callable[[str], None]
OwnKind = Literal["docker", "local"]
OURS: dict[OwnKind, type[DockerBroker] | type[LocalBroker]] = {"docker": DockerBroker, "local": LocalBroker}
NONE = (
    "there is no Kafka to use. Three ways to get one:\n"
    "  - give the address of one that runs (host:port);\n"
    "  - run Docker, with the docker command and access to its daemon;\n"
    "  - install Java 17 or later and Maven (commands `java` and `mvn`), or set KAFKA_HOME to an unpacked Kafka.\n"
    "What was tried:\n"
)


def to_stderr(line: str) -> None:
    """Tell a person at once, without mixing with the output."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextmanager
def choose_broker(
    address: str | None = None,
    *,
    kind: OwnKind | None = None,
    port: int | None = None,
    extras: Extras = NOTHING_MORE,
    tell: Tell = to_stderr,
) -> Iterator[Broker]:
    """A broker that serves, closed at the end.

    With `address` it is that one and no other; else the first of docker and local (or only `kind`) that starts,
    listening on `port` or a free one, and where `extras` says. `tell` hears of long steps, one line each.
    Raises StartFailed (the address given does not answer) or NoBroker.
    """
    broker = AddressBroker(address) if address else _first_that_starts(kind, port, extras, tell)
    with broker:
        if address:
            broker.start()
        yield broker


def _first_that_starts(kind: OwnKind | None, port: int | None, extras: Extras, tell: Tell) -> Broker:
    refusals = ["no address given"]
    for way, make in OURS.items():
        if kind not in (None, way):
            continue
        try:
            broker = _started(make, port, extras, tell)
        except LauncherError as error:
            refusals.append(f"{way}: {error}")
        else:
            broker.passed_over = "; ".join(refusal.splitlines()[0] for refusal in refusals)
            return broker
    raise NoBroker(NONE + "\n".join(f"  - {refusal}" for refusal in refusals))


def _started(make: type[DockerBroker] | type[LocalBroker], port: int | None, extras: Extras, tell: Tell) -> Broker:
    broker = make(port=port, extras=extras, tell=tell)
    try:
        broker.start()
    except BaseException:  # Ctrl-C too: what was begun must go
        broker.close()
        raise
    return broker

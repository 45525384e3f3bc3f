"""Chooses a broker: the address that the user gave, else a container, else a local process."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

from deploy.kafka.address import AddressBroker
from deploy.kafka.broker import Broker, LauncherError, NoBroker
from deploy.kafka.docker import DockerBroker
from deploy.kafka.local import LocalBroker

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
    proxy: str | None = None,
    data_dir: Path | None = None,
    tell: Tell = to_stderr,
) -> Iterator[Broker]:
    """A broker that serves, closed at the end.

    With `address` it is that one and no other; else the first of docker and local (or only `kind`) that starts,
    listening on `port` or a free one. `tell` hears of long steps, one line each. `proxy` is the address of a proxy that
    stands before the broker's `proxied_address`; `data_dir` an empty directory that the data go to.
    Raises StartFailed (the address given does not answer) or NoBroker.
    """
    makers = {way: partial(make, port=port, proxy=proxy, data_dir=data_dir, tell=tell) for way, make in OURS.items()}
    broker = AddressBroker(address) if address else _first_that_starts(kind, makers)
    with broker:
        if address:
            broker.start()
        yield broker


def _first_that_starts(kind: OwnKind | None, makers: Mapping[OwnKind, Callable[[], Broker]]) -> Broker:
    refusals = ["no address given"]
    for way, make in makers.items():
        if kind not in (None, way):
            continue
        try:
            broker = _started(make())
        except LauncherError as error:
            refusals.append(f"{way}: {error}")
        else:
            broker.passed_over = "; ".join(refusal.splitlines()[0] for refusal in refusals)
            return broker
    raise NoBroker(NONE + "\n".join(f"  - {refusal}" for refusal in refusals))


def _started(broker: Broker) -> Broker:
    try:
        broker.start()
    except BaseException:  # Ctrl-C too: what was begun must go
        broker.close()
        raise
    return broker

"""Chooses a broker: at the address that the user gave, else in a container, else as a local process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal

import click

from deploy.kafka.address import AddressBroker
from deploy.kafka.broker import Broker, LauncherError, NoBroker
from deploy.kafka.docker import DockerBroker
from deploy.kafka.local import LocalBroker
from deploy.kafka.properties import NOTHING_MORE, Extras

Report = Callable[[str], None]  # gets one line for people
to_stderr: Report = partial(click.echo, err=True)
OwnKind = Literal["docker", "local"]
OURS: dict[OwnKind, type[DockerBroker] | type[LocalBroker]] = {"docker": DockerBroker, "local": LocalBroker}
NONE = (
    "there is no Kafka to use. Three ways to get one:\n"
    "  - give the address of a running one (host:port);\n"
    "  - run Docker, with the docker command and access to its daemon;\n"
    "  - install Java 17 or later and Maven (commands `java` and `mvn`), or set KAFKA_HOME to an unpacked Kafka.\n"
    "What was tried:\n"
)


@contextmanager
def choose_broker(
    address: str | None = None,
    *,
    kind: OwnKind | None = None,
    port: int | None = None,
    extras: Extras = NOTHING_MORE,
    report: Report = to_stderr,
) -> Iterator[Broker]:
    """A broker that serves, closed at the end.

    With `address`, that one; else the first of docker and local (or only `kind`) that starts, listening on `port` or
    a free port, and as `extras` says. `report` gets a line before each long step.
    Raises StartFailed (the given address does not answer) or NoBroker.
    """
    with _started(AddressBroker(address)) if address else _first_that_starts(kind, port, extras, report) as broker:
        yield broker


def _first_that_starts(kind: OwnKind | None, port: int | None, extras: Extras, report: Report) -> Broker:
    refusals = ["no address given"]
    for way, make in OURS.items():
        if kind not in (None, way):
            continue
        try:
            broker = _started(make(port=port, extras=extras, report=report))
        except LauncherError as error:
            refusals.append(f"{way}: {error}")
        else:
            broker.passed_over = "; ".join(refusal.splitlines()[0] for refusal in refusals)
            return broker
    raise NoBroker(NONE + "\n".join(f"  - {refusal}" for refusal in refusals))


def _started(broker: Broker) -> Broker:
    try:
        broker.start()
    except BaseException:  # also on Ctrl-C
        broker.close()
        raise
    return broker

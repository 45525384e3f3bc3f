"""A broker that the user runs, at a given address."""

import socket
from typing import ClassVar, NoReturn

from deploy.kafka.broker import Broker, Kind, NotOurs, StartFailed

CONNECT_LIMIT_S = 5.0


class AddressBroker(Broker):
    """A broker that is not ours: `start` only checks that something listens there, and `close` does nothing."""

    kind: ClassVar[Kind] = "address"
    name = "the Kafka given"

    def __init__(self, address: str) -> None:
        """`address`: bootstrap servers, as in clients: "host:port,host:port"."""
        self.address = address

    def start(self) -> None:
        """See Broker. One listening server is enough; its protocol (TLS, SASL) is not checked."""
        if not any(_listens(server) for server in self.address.split(",")):
            raise StartFailed(f"nothing listens at {self.address}: start that Kafka, or give another address")

    def stop(self) -> NoReturn:
        """Raise NotOurs, as all methods but `start` and `close` do."""
        raise NotOurs(f"the Kafka at {self.address} was given: only its owner may stop, freeze or read it")

    kill = pause = resume = log_tail = stop

    def close(self) -> None:
        """See Broker. Does nothing."""


def _listens(server: str) -> bool:
    host, _, port = server.strip().rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_LIMIT_S):
            return True
    except (OSError, ValueError):
        return False

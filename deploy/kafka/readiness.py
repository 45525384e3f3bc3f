"""Whether a broker serves, by a request in Kafka's own protocol, because an open port alone proves nothing.

Docker's proxy accepts connections long before the broker behind it does. Kafka itself opens its listeners last, when
the node is unfenced, so a broker that answers serves every request.
"""

import socket
import struct
import time
from collections.abc import Callable

CORRELATION_ID = 1
# ApiVersions, version 0 (api key 18): int32 size, int16 key, int16 version, int32 correlation id, null client id.
API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, CORRELATION_ID, -1)
RETRY_S = 0.05
ANSWER_S = 2.0


def serves(host: str, port: int) -> bool:
    """Whether a Kafka broker answers an ApiVersions request within two seconds."""
    try:
        with socket.create_connection((host, port), timeout=ANSWER_S) as connection:
            connection.sendall(API_VERSIONS)
            with connection.makefile("rb") as answer:
                _size, correlation_id, error = struct.unpack(">iih", answer.read(10))
    except (OSError, struct.error):
        return False
    return bool(correlation_id == CORRELATION_ID and error == 0)


def wait_until_serves(port: int, *, limit_s: float, alive: Callable[[], bool]) -> bool:
    """Wait for the broker at 127.0.0.1:`port`; false if it is no longer `alive` or the limit has passed."""
    deadline_s = time.monotonic() + limit_s
    while not serves("127.0.0.1", port):
        if not alive() or time.monotonic() > deadline_s:
            return False
        time.sleep(RETRY_S)
    return True

"""Free TCP ports on the loopback interface, for servers that restart on the same port."""

import random
import socket
from contextlib import closing

# Below the ephemeral range (32768 and up on Linux, 49152 on macOS). A port in that range could be given to a client's
# outgoing connection while the broker is down; on loopback a retrying client even connects to itself.
CANDIDATES = range(20_000, 32_000)
TRIES = 200


def free_ports(count: int) -> tuple[int, ...]:
    """`count` different ports of 127.0.0.1 that nothing listens on now. Raises OSError if it finds too few."""
    found = [port for port in random.sample(CANDIDATES, TRIES) if _is_free(port)][:count]
    if len(found) < count:
        raise OSError(f"no {count} free TCP ports among {TRIES} tried between {CANDIDATES.start} and {CANDIDATES.stop}")
    return tuple(found)


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True

"""`python -m tests.support.impatient run`: the worker, whose Kafka client waits less long for an answer."""

import sys
from typing import Final

from worker.kafka_broker import Connection

IMPATIENT: Final = "tests.support.impatient"  # for WorkerProcess
REQUEST_S: Final = 9.0


def main() -> None:
    *others, _ = Connection.__init__.__defaults__ or ()  # the last one is that of request_timeout_ms
    Connection.__init__.__defaults__ = (*others, round(REQUEST_S * 1000))

    from worker.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()

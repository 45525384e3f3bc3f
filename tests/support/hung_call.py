"""`python -m tests.support.hung_call run`: the worker, with a poll of Kafka that never returns what holds a word."""

import sys
import threading

from worker.broker.contract import Polled
from worker.broker.kafka_python.source import KafkaSource

HUNG = "tests.support.hung_call"  # for WorkerProcess
WORD = b"hang"


def main() -> None:
    poll = KafkaSource.poll

    def hang(source: KafkaSource, *, timeout_s: float, max_records: int) -> Polled:
        polled = poll(source, timeout_s=timeout_s, max_records=max_records)
        if any(WORD in (record.value or b"") for record in polled.records):
            threading.Event().wait()
        return polled

    KafkaSource.poll = hang  # type: ignore[assignment]

    from worker.cli import main as run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()

"""A program: Kafka's client alone, as the worker uses it: reads a filled topic, writes as many. Prints one object."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from worker.broker.clients import CLIENTS, Client, client_named
from worker.broker.connection import Connection
from worker.broker.contract import Outgoing, Record
from worker.settings.schema import Settings

LIMIT_S = 60.0
IN_FLIGHT = 2000  # as many as the worker holds by default


def main() -> None:
    """Measure both ways on the same records."""
    parser = argparse.ArgumentParser()
    for name in ("--bootstrap-servers", "--input", "--output"):
        parser.add_argument(name, required=True)
    parser.add_argument("--records", type=int, required=True)
    parser.add_argument("--client", choices=CLIENTS, required=True)
    arguments = parser.parse_args()
    client = client_named(arguments.client)
    connection = Connection(arguments.bootstrap_servers)
    figures: dict[str, float] = {}
    records = _consume(client, connection, arguments.input, arguments.output, arguments.records, figures)
    _produce(client, connection, arguments.output, records, figures)
    json.dump(figures, sys.stdout)


def _consume(
    client: Client, connection: Connection, topic: str, group: str, count: int, figures: dict[str, float]
) -> list[Record]:
    """Read; what comes with the first poll that brings any is not counted: it was fetched before."""
    source = client.source(connection, topic=topic, group_id=group)
    records: list[Record] = []
    deadline_s = time.monotonic() + LIMIT_S
    try:
        while not records and time.monotonic() < deadline_s:
            records += source.poll(timeout_s=1.0, max_records=1).records
        with _timed("consume", count - len(records), figures):
            while len(records) < count and time.monotonic() < deadline_s:
                records += source.poll(timeout_s=1.0, max_records=Settings().max_poll_records).records
    finally:
        source.close(timeout_s=LIMIT_S)
    if len(records) < count:
        raise SystemExit(f"{topic}: {len(records)} of {count} records within {LIMIT_S:g} s")
    return records


def _produce(
    client: Client, connection: Connection, topic: str, records: list[Record], figures: dict[str, float]
) -> None:
    sink = client.sink_opener(connection)()
    sink.partition_count(topic)  # or the first send would wait for it
    try:
        with _timed("produce", len(records), figures):
            for start in range(0, len(records), IN_FLIGHT):
                for record in records[start : start + IN_FLIGHT]:
                    sink.send(Outgoing(topic, record.key, record.value, record.headers, record.partition.partition))
                sink.flush(timeout_s=LIMIT_S)
    finally:
        sink.close(timeout_s=LIMIT_S)


@contextmanager
def _timed(what: str, records: int, figures: dict[str, float]) -> Iterator[None]:
    began_s, processor_s = time.perf_counter(), time.process_time()
    yield
    figures[f"{what}_records_per_s"] = records / (time.perf_counter() - began_s)
    figures[f"{what}_processor_us"] = (time.process_time() - processor_s) / records * 1e6


if __name__ == "__main__":
    main()

"""Names of headers that other clients may write: any bytes. See `read_any_header_name` in `repairs.py`.

An input holds the header names of one record, one in a line. A plain record comes before it and after it.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from tests.fuzz.fuzzer import Target
from tests.fuzz.mutation import mutated
from tests.support.kafka_io import RawName
from worker.broker.kafka_python.repairs import read_any_header_name

VALID: Final = [b"traceparent\ntag\ntag", "é\n名\n".encode(), b"\xff\n\xed\xa0\x80\nsentiment-reason"]


@contextmanager
def header_names() -> Iterator[Target]:
    """Read a batch of records with kafka-python and write it again."""
    read_any_header_name()
    yield Target(_make, _check)


def _make(rng: random.Random) -> bytes:
    return mutated(rng, VALID) if rng.random() < 0.5 else rng.randbytes(rng.randrange(200))


def _check(data: bytes) -> None:
    names = data.split(b"\n")
    plain = [("é", b"1")]
    stored = _batch([plain, [(RawName.of(name), b"%d" % number) for number, name in enumerate(names)], plain])
    read = _headers_of(stored)
    assert (read[0], read[2]) == (plain, plain)
    assert [str.encode(name, "utf-8", "surrogateescape") for name, _ in read[1]] == names
    assert _batch(read) == stored, "it changed when it was written again"


def _batch(records: Sequence[Sequence[tuple[str, bytes]]]) -> bytes:
    builder = MemoryRecordsBuilder(magic=2, compression_type=0, batch_size=10**6)
    for headers in records:
        assert builder.append(0, b"k", b"v", headers) is not None
    builder.close()
    return bytes(builder.buffer())


def _headers_of(batch: bytes) -> list[list[tuple[Any, bytes]]]:
    return [record.headers for record in MemoryRecords(batch).next_batch()]

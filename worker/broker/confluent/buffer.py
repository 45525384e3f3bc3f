"""Messages that were fetched and not returned by a poll yet, and the position of each partition. Does no I/O."""

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from operator import methodcaller
from typing import Any, Final

from confluent_kafka import KafkaError

from worker.broker.contract import Headers, Record, TopicPartition

Message = Any  # its types allow for None wherever a message of another kind has nothing

# Not message.headers(): once that call is specialized, the interpreter (3.11) no longer checks whether it failed, and a
# name that cannot be decoded would be a null pointer in our hands.
_READ_HEADERS: Final = methodcaller("headers")

log = logging.getLogger(__name__)


class Buffer:
    """Messages in the order they came: records, and events that say where a partition ends or breaks off."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self.positions: dict[int, int] = {}  # offset of the next record to be returned
        self.resets: dict[int, tuple[int, float]] = {}  # where reading could not go on, and since when

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, messages: Iterable[Message]) -> None:
        """Append them."""
        self._messages += messages

    def counts(self) -> Mapping[int, int]:
        """Return how many messages of each partition are buffered."""
        return Counter(message.partition() for message in self._messages)

    def forget(self, numbers: Collection[int]) -> None:
        """Drop the messages and positions of these partitions."""
        self._messages = [message for message in self._messages if message.partition() not in numbers]
        for number in numbers:
            self.positions.pop(number, None)
            self.resets.pop(number, None)

    def has_any(self, owned: Mapping[int, TopicPartition], paused: Collection[TopicPartition]) -> bool:
        """Whether there is a message that may be returned now."""
        return any(owned.get(message.partition()) not in paused for message in self._messages)

    def take(
        self,
        owned: Mapping[int, TopicPartition],
        paused: Collection[TopicPartition],
        *,
        max_records: int,
        now_s: float,
    ) -> list[Record]:
        """Remove and return records, and act on the events between them; drop what is no longer ours."""
        records: list[Record] = []
        left: list[Message] = []
        for message in self._messages:
            number = message.partition()
            partition = owned.get(number)
            if partition is None:
                continue
            if partition in paused or len(records) == max_records:
                left.append(message)
            elif message.error() is None:
                records.append(_record(message, partition))
                self.positions[number] = message.offset() + 1
            elif message.error().code() == KafkaError._PARTITION_EOF:
                self.positions[number] = message.offset()
            else:
                self.resets[number] = (-1 if message.offset() is None else message.offset(), now_s)
        self._messages = left
        return records


def _record(message: Message, partition: TopicPartition) -> Record:
    kind, timestamp_ms = message.timestamp()
    return Record(
        partition, message.offset(), timestamp_ms if kind else None, message.key(), message.value(), _headers(message)
    )


def _headers(message: Message) -> Headers:
    try:
        headers = _READ_HEADERS(message)
    except (SystemError, UnicodeDecodeError):  # the binding (2.16) cannot decode a name; it may not say so
        log.warning(
            "the headers of record %s-%d-%d are dropped: a name among them is not UTF-8",
            message.topic(),
            message.partition(),
            message.offset(),
        )
        return ()
    return tuple(headers) if headers else ()

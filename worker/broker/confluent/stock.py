"""What was fetched and is not told yet, and how far each partition was told. Does no I/O."""

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from operator import methodcaller
from typing import Any, Final

from confluent_kafka import KafkaError

from worker.broker.contract import Headers, Record, TopicPartition

Message = Any  # its types allow for None wherever a message of another kind has nothing

# Not message.headers(): where that is called often the interpreter (3.11) looks no more whether it failed, and a name
# that cannot be decoded would be a null pointer in our hands.
_READ_HEADERS: Final = methodcaller("headers")

log = logging.getLogger(__name__)


class Stock:
    """Messages in the order in which they came; among records, those that tell where a partition ends or breaks off."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self.positions: dict[int, int] = {}  # offset of the next record to be told
        self.resets: dict[int, tuple[int, float]] = {}  # where reading could not go on, and since when

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, messages: Iterable[Message]) -> None:
        """Put them behind what is there."""
        self._messages += messages

    def heights(self) -> Mapping[int, int]:
        """How many messages of each partition wait."""
        return Counter(message.partition() for message in self._messages)

    def forget(self, numbers: Collection[int]) -> None:
        """Drop what is known of these partitions."""
        self._messages = [message for message in self._messages if message.partition() not in numbers]
        for number in numbers:
            self.positions.pop(number, None)
            self.resets.pop(number, None)

    def has_any(self, owned: Mapping[int, TopicPartition], paused: Collection[TopicPartition]) -> bool:
        """Whether anything waits that may be told now."""
        return any(owned.get(message.partition()) not in paused for message in self._messages)

    def take(
        self,
        owned: Mapping[int, TopicPartition],
        paused: Collection[TopicPartition],
        *,
        max_records: int,
        now_s: float,
    ) -> list[Record]:
        """Take out records, and act on what stands between them; what is not ours any more is dropped."""
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
    except (SystemError, UnicodeDecodeError):  # of a name the binding (2.16) can make no string, as it says or not
        log.warning(
            "the headers of record %s-%d-%d are dropped: a name among them is not UTF-8",
            message.topic(),
            message.partition(),
            message.offset(),
        )
        return ()
    return tuple(headers) if headers else ()

"""Seven faults of kafka-python 3.0.12, each seen on a real broker, and what mends them. Each has a test that fails
without its repair; look at them anew when the version moves.

1. A join that completes between two polls is thrown away and begun again: a member whose polls are short never
   gets in, and every attempt makes the whole group rebalance. `keep_joins` hands the result to the next poll.
2. A leader that joins again because the topic changed, and whose poll ends before the join does, takes itself for
   joined: no heartbeat, no new partitions, for ever. `before_poll` reminds it.
3. A partition that is paused half read, while others are read to the end, stays silent when it is resumed: its
   records are put aside and not taken up again. `before_poll` clears the slot that they wait for.
4. A poll that is told to give partitions up joins again at once, before it returns: nobody can commit what was done of
   them. `keep_joins` lets the join wait while `handing_over` says so; heartbeats rest meanwhile.
5. A reader whose next record was deleted goes on at the earliest one without a word. `watch_resets` tells.
6. A record with a header whose name is not UTF-8 cannot be read, nor anything behind it. `read_any_header_name` reads
   such a name with surrogates for the odd bytes; when it is written again, it becomes the bytes that it was.
7. A look-up of committed offsets that timed out answers the next one, however much was committed in between: what was
   done meanwhile is done again, exactly once or not. `ask_anew` forgets it.
"""

from collections.abc import Callable
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.record.default_records import DefaultRecordBatch
from kafka.structs import MemberState

_LOOK_AGAIN_S: Final = 0.005
_read_record: Final = DefaultRecordBatch._read_msg


def keep_joins(consumer: KafkaConsumer, handing_over: Callable[[], bool]) -> None:
    """Let the next poll have the result of a join that completed after the last one; begin none too early."""
    coordinator: Any = consumer._coordinator
    join = coordinator._do_join_and_sync_async
    kept: tuple[object, bytes] | None = None

    async def join_unless_joined() -> bytes:
        nonlocal kept
        while handing_over():
            await coordinator._manager._net.sleep(_LOOK_AGAIN_S)
        # Still rebalancing in the generation that a join ended with: nobody has taken its result.
        if kept and coordinator.state == MemberState.REBALANCING and kept[0] is coordinator._generation:
            return kept[1]
        assignment: bytes = await join()
        kept = coordinator._generation, assignment
        return assignment

    coordinator._do_join_and_sync_async = join_unless_joined


def before_poll(consumer: KafkaConsumer) -> None:
    """Mend what the last poll may have left; costs 2 us."""
    if consumer.group_metadata().state == MemberState.REBALANCING:
        consumer._coordinator.request_rejoin()
    fetcher = consumer._fetcher
    if not fetcher._next_partition_records:  # None, or one that is read to its end
        fetcher._next_partition_records = None


def watch_resets(consumer: KafkaConsumer, tell: Callable[[TopicPartition, int], None]) -> None:
    """Tell the partition, and the offset that it should have gone on at, whenever the library gives one up."""
    subscription: Any = consumer._subscription
    reset = subscription.request_offset_reset

    def reset_and_tell(partition: TopicPartition, strategy: int | None = None) -> None:
        if strategy is None:  # a seek of ours names one
            tell(partition, subscription.assignment[partition].position.offset)
        reset(partition, strategy)

    subscription.request_offset_reset = reset_and_tell


def ask_anew(consumer: KafkaConsumer) -> None:
    """Let the next look-up of committed offsets be a question of its own."""
    consumer._coordinator._offset_fetch_futures.clear()


def read_any_header_name() -> None:
    """Let every consumer of this process read such names; costs nothing where all are UTF-8."""
    DefaultRecordBatch._read_msg = _read_record_of_any_name


def _read_record_of_any_name(batch: Any) -> Any:
    try:
        return _read_record(batch)
    except UnicodeDecodeError:
        batch._buffer = _Bytes(batch._buffer)  # for the rest of the batch: to copy it for each record could take hours
        return _read_record(batch)


class _Bytes(bytearray):
    """A batch whose parts are decoded leniently."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return found if isinstance(found, int) else _Part(found)


class _Part(bytes):
    def decode(self, *_: Any) -> "_HeaderName":
        return _HeaderName(self, "utf-8", "surrogateescape")


class _HeaderName(str):
    """Wherever the library encodes a name, strictly, it gets the bytes that were read."""

    __slots__ = ()

    def encode(self, *_: Any) -> bytes:
        return super().encode("utf-8", "surrogateescape")

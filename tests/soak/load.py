"""What is sent during a soak, and how fast: real reviews, some records that are none, a rate that never rests. Pure."""

import json
import random
from collections.abc import Iterator, Sequence

from tests.support.kafka_io import Message

POISON_SHARE = 0.01
QUIET_SHARE = 0.05  # of the peak: also a worker that has little to do must stay as it is
WAVE_S = 300.0
PARTITIONS = 4


def rate_at(elapsed_s: float, *, peak_per_s: float, wave_s: float = WAVE_S) -> float:
    """Records a second: up from almost nothing to the peak and down again, once in `wave_s`."""
    phase = elapsed_s / wave_s % 1.0
    height = 1 - abs(2 * phase - 1)
    return peak_per_s * (QUIET_SHARE + (1 - QUIET_SHARE) * height)


def records(texts: Sequence[str], *, seed: int) -> Iterator[Message]:
    """Endless reviews in random order, in turn to each partition; one record in a hundred is no review."""
    rng = random.Random(seed)
    number = 0
    while True:
        value = json.dumps({"review_id": f"review-{number}", "text": rng.choice(texts)}).encode()
        if rng.random() < POISON_SHARE:
            value = value[: len(value) // 2]
        partition = number % PARTITIONS
        yield Message(value, key=b"film-%d-%d" % (partition, rng.randrange(5)), partition=partition)
        number += 1

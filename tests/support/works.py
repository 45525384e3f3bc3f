"""Reviews on their way through the engine, for tests that need no network."""

from functools import cache

import numpy as np

from model.predictor import TokenizedText
from worker.broker.contract import Headers, Record, TopicPartition
from worker.scoring.work import Work

PLACE = TopicPartition("reviews.raw", 0)


@cache
def text_of(tokens: int) -> TokenizedText:
    """Return a text of equal words. The same object for the same number, so that reviews of it are equal."""
    return TokenizedText(np.ones(tokens, np.int32), unknown=0, truncated=False)


def work(
    tokens: int = 1,
    arrived_s: float = 0.0,
    number: int = 0,
    *,
    text: TokenizedText | None = None,
    headers: Headers = (),
) -> Work:
    """Return a review of `text`, or of this many words. `number` is its offset."""
    text = text_of(tokens) if text is None else text
    return Work(Record(PLACE, number, None, None, b"{}", headers), 1, str(number), text, len(text), arrived_s)

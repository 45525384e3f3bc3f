"""One review on its way through the engine."""

from typing import NamedTuple

from model.predictor import TokenizedText
from worker.broker.contract import Record


class Work(NamedTuple):
    """A readable review, tokenized."""

    record: Record
    generation: int  # of the assignment of its partition
    review_id: str
    text: TokenizedText
    tokens: int  # of the text
    arrived_s: float  # monotonic

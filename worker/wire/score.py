"""What the model says of one review: what results are made of."""

from typing import NamedTuple


class Score(NamedTuple):
    """What the model says of one review."""

    probability: float
    tokens: int
    truncated: bool
    out_of_domain: bool

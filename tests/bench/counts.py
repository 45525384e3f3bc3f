"""How many reviews each part measures. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

REVIEWS: Final = 16_000  # end to end, unless the command says otherwise
MEMORY_REVIEWS: Final = 200_000


@dataclass(frozen=True, slots=True)
class Counts:
    """By part, from those that the worker scores end to end.

    A rate counts from the first result on, and what was begun before it flatters the rate: up to two batches of 256 of
    the worker's, one of 64 of a peer's. So each takes many times as many.
    """

    end_to_end: int = REVIEWS

    @property
    def engine(self) -> int:
        """The engine alone, which does not start in the middle, with each size of batch."""
        return self.end_to_end // 4

    @property
    def pipeline(self) -> int:
        """Where nothing is computed: a client alone, the worker around a simulated accelerator."""
        return self.end_to_end * 6

    @property
    def peers(self) -> Mapping[str, int]:
        """By the peer's engine, see PEER_ENGINES: torch's plain forward takes its time."""
        return {"torch": self.end_to_end // 8, "ours": self.end_to_end // 4}

"""What a batch costs the engine, learnt from the batches it computed, and how large the next one may be. Pure.

The time of a batch is fitted as `batch_s + token_s x padded tokens`: padded, since that is what an engine computes over
and what the batcher bounds; as its batches are of like length, the padding is small and steady.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# A review waits at most for the two batches that the engine has, then for its own; what is left of the target is for
# reading and publishing.
SHARE_OF_TARGET: Final = 0.25
LEAST_FOR_TOKENS: Final = 0.5  # of a batch's time: smaller batches would spend the most of it on their fixed price

FORGET: Final = 0.02  # the weight of the newest batch; one that is 100 batches old counts an eighth as much
# A batch counts as at most so many times what was to be expected: a neighbour that had the processor for a moment
# hardly moves the prices, one that stays does.
MOST_OVER: Final = 2.0
# Pulls the fixed price to zero. So where all batches are of one size, which tells nothing of the two prices apart, all
# of the time is the tokens'; what a batch of that size costs stays right.
PULL: Final = 0.01


@dataclass(frozen=True, slots=True)
class Prices:
    """What the engine takes for a batch; neither is negative."""

    batch_s: float  # whatever is in it
    token_s: float  # for each padded token

    def time_s(self, padded_tokens: int) -> float:
        """How long a batch of this size is expected to take."""
        return self.batch_s + self.token_s * padded_tokens

    def tokens_in(self, time_s: float) -> float:
        """How many padded tokens fit into this time; infinitely many where they cost nothing."""
        return (time_s - self.batch_s) / self.token_s if self.token_s else float("inf")


class PriceFit:
    """Least squares with forgetting: an engine that changes its pace is followed within some fifty batches."""

    def __init__(self) -> None:
        self.prices: Prices | None = None  # None until a batch was observed
        # Weighted means of: padded tokens, seconds, tokens squared, tokens times seconds.
        self._x = self._y = self._xx = self._xy = 0.0

    def observe(self, padded_tokens: int, took_s: float) -> None:
        """Learn from one batch."""
        weight = 1.0 if self.prices is None else FORGET
        x, y = float(padded_tokens), min(took_s, MOST_OVER * self._longest_s(padded_tokens))
        self._x += weight * (x - self._x)
        self._y += weight * (y - self._y)
        self._xx += weight * (x * x - self._xx)
        self._xy += weight * (x * y - self._xy)
        self.prices = self._solve()

    def _longest_s(self, padded_tokens: int) -> float:
        """The most to be expected of a batch: above the sizes known, all of their time may have been the tokens'."""
        if self.prices is None:
            return float("inf")
        for_tokens_s = self._y * padded_tokens / self._x if self._x else float("inf")
        return max(self.prices.time_s(padded_tokens), for_tokens_s)

    def _solve(self) -> Prices:
        """The two prices that fit best and are not negative."""
        if not self._xx:  # texts without a word only
            return Prices(self._y, 0.0)
        determinant = (1 + PULL) * self._xx - self._x * self._x
        batch_s = (self._y * self._xx - self._x * self._xy) / determinant
        token_s = ((1 + PULL) * self._xy - self._x * self._y) / determinant
        if token_s < 0:
            return Prices(self._y, 0.0)
        if batch_s < 0:
            return Prices(0.0, self._xy / self._xx)
        return Prices(batch_s, token_s)


class Why(StrEnum):
    """What a budget was chosen for."""

    FIXED = "fixed"  # no target is set: the largest batch allowed
    LEARNING = "learning"  # no batch was computed yet: the largest
    TARGET = "target"  # the largest whose time is the target's share
    BEHIND = "behind"  # what waits takes longer than the target: the largest, since nothing catches up sooner


@dataclass(frozen=True, slots=True)
class Budget:
    """How large a batch may be now, and all that it was chosen from."""

    tokens: int  # padded
    why: Why
    target_s: float | None
    prices: Prices | None


class Pricing:
    """Learns the engine's prices and chooses the budget of the next batch."""

    def __init__(self, *, max_tokens: int, target_s: float | None) -> None:
        self._max_tokens = max_tokens
        self._target_s = target_s
        self.forget()

    def observe(self, padded_tokens: int, took_s: float) -> None:
        """Learn from a batch that was computed at one go."""
        self._fit.observe(padded_tokens, took_s)

    def forget(self) -> None:
        """Begin anew: another engine has prices of its own."""
        self._fit = PriceFit()
        self.budget = self._choose(0)  # the last that was chosen

    def choose(self, waiting_tokens: int) -> Budget:
        """Return the budget of the next batch, given how many tokens wait for it and for those behind it."""
        self.budget = self._choose(waiting_tokens)
        return self.budget

    def _choose(self, waiting_tokens: int) -> Budget:
        prices = self._fit.prices
        if self._target_s is None:
            return self._largest(Why.FIXED)
        if prices is None:
            return self._largest(Why.LEARNING)
        if prices.token_s * waiting_tokens > self._target_s:
            return self._largest(Why.BEHIND)
        time_s = max(SHARE_OF_TARGET * self._target_s, prices.batch_s / (1 - LEAST_FOR_TOKENS))
        tokens = min(prices.tokens_in(time_s), self._max_tokens)
        return Budget(max(1, int(tokens)), Why.TARGET, self._target_s, prices)

    def _largest(self, why: Why) -> Budget:
        return Budget(self._max_tokens, why, self._target_s, self._fit.prices)

"""How much time a batch takes, learnt from the computed batches, and how large the next batch may be. Pure.

The time of a batch is estimated as `batch_s + token_s x padded tokens`. It counts padded tokens, because the engine
computes them and the batcher limits them. Reviews in a batch have similar lengths, so padding is a small and steady
share.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# The time of a batch as a share of the target. A review waits for at most two batches in the engine and then for its
# own. The last quarter is for reading and publishing.
SHARE_OF_TARGET: Final = 0.25
LEAST_FOR_TOKENS: Final = 0.5  # share of a batch's time: smaller batches would spend most of it on their fixed price

FORGET: Final = 0.02  # the weight of the newest batch; one that is 100 batches old counts an eighth as much
# A batch counts as at most this many times its expected time. So one slow batch hardly changes the prices, but a
# lasting slowdown does.
MOST_OVER: Final = 2.0
# Pulls the fixed price to zero. If all batches have one size, the two prices cannot be distinguished. Then the tokens
# get all of the time, and the estimate for that size stays right.
PULL: Final = 0.01


@dataclass(frozen=True, slots=True)
class Prices:
    """How long the engine takes for a batch. Neither price is negative."""

    batch_s: float  # fixed time of each batch
    token_s: float  # time of each padded token

    def time_s(self, padded_tokens: int) -> float:
        """Return the expected time of a batch of this size."""
        return self.batch_s + self.token_s * padded_tokens

    def tokens_in(self, time_s: float) -> float:
        """Return how many padded tokens fit into this time; infinity if tokens cost nothing."""
        return (time_s - self.batch_s) / self.token_s if self.token_s else float("inf")


class PriceFit:
    """Least squares with forgetting. It follows a change of the engine's speed within about fifty batches."""

    def __init__(self) -> None:
        self.prices: Prices | None = None  # None before the first batch
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
        """Return the longest expected time. Beyond the known sizes, all of the time may be that of the tokens."""
        if self.prices is None:
            return float("inf")
        for_tokens_s = self._y * padded_tokens / self._x if self._x else float("inf")
        return max(self.prices.time_s(padded_tokens), for_tokens_s)

    def _solve(self) -> Prices:
        """Return the two prices that fit best and are not negative."""
        if not self._xx:  # no batch had a token
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
    """Why a budget was chosen."""

    FIXED = "fixed"  # no target is set, so the largest batch is allowed
    LEARNING = "learning"  # no batch was computed yet, so the largest is allowed
    TARGET = "target"  # the largest batch whose time is its share of the target
    BEHIND = "behind"  # waiting reviews take longer than the target, so the largest is allowed: it catches up soonest


@dataclass(frozen=True, slots=True)
class Budget:
    """How large a batch may be, and how that was decided."""

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
        """Learn from a batch that was computed in one call."""
        self._fit.observe(padded_tokens, took_s)

    def forget(self) -> None:
        """Start again, because another engine has other prices."""
        self._fit = PriceFit()
        self.budget = self._choose(0)  # the last chosen one

    def choose(self, waiting_tokens: int) -> Budget:
        """Return the budget of the next batch, given the tokens of all waiting reviews."""
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

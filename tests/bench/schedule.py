"""When each review of an open-loop load is to be sent, fixed before the first one is. Pure."""

import random
from itertools import accumulate


def arrivals_s(rate_per_s: float, count: int, *, seed: int) -> list[float]:
    """Times from the start, ascending, of `count` reviews that arrive independently (a Poisson process).

    A latency counted from these times, not from when the send came about, hides no wait: a sender that is held up
    is late, it does not send less (no coordinated omission).
    """
    gaps = random.Random(seed)
    return list(accumulate(gaps.expovariate(rate_per_s) for _ in range(count)))

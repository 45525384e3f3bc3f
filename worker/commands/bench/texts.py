"""Reviews to measure with where nobody gives any: their words are few, their lengths are those of film reviews."""

import random
from typing import Final

SEED: Final = 20_260_101
# As of the 2,000 reviews of the demo: the logarithm of the number of words is nearly normal.
MEDIAN_WORDS: Final = 173
LOG_DEVIATION: Final = 0.63
LONGEST_WORDS: Final = 1000
SENTENCES: Final = (
    "I did not expect much of it and was surprised by how well the story is told.",
    "The acting is wooden, the plot has been seen a hundred times, and the ending makes no sense at all.",
    "She gives the best performance of her career!",
    "It drags on for more than two hours, which is at least one too many.",
    "If you liked the first one, you will love this; my children asked to see it again.",
    "Why does nobody in this town ever call the police?",
    "A beautiful score, careful pictures, and dialogue that sounds like people talking.",
    "Save your money.",
)


def made_up_reviews(count: int) -> list[str]:
    """The same `count` texts each time."""
    dice = random.Random(SEED)  # noqa: S311  # nobody is kept out by it
    return [_review(dice) for _ in range(count)]


def _review(dice: random.Random) -> str:
    words: list[str] = []
    length = min(LONGEST_WORDS, max(5, round(MEDIAN_WORDS * dice.lognormvariate(0, LOG_DEVIATION))))
    while len(words) < length:
        words += dice.choice(SENTENCES).split()
    return " ".join(words[:length])

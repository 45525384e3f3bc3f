"""Made-up reviews to measure with: few different words, and the lengths of film reviews."""

import random
from typing import Final

SEED: Final = 20_260_101
# Fitted to the 2,000 reviews of the demo, whose number of words has a log-normal distribution.
MEDIAN_WORDS: Final = 173
LOG_DEVIATION: Final = 0.63
LONGEST_WORDS: Final = 1000
SENTENCES: Final = (
    "I did not expect much of it and was surprised by how good the story is.",
    "The acting is wooden, the plot has been seen a hundred times, and the ending makes no sense at all.",
    "She gives the best performance of her career!",
    "It drags on for more than two hours, which is at least one too many.",
    "If you liked the first one, you will love this; my children asked to see it again.",
    "Why does nobody in this town ever call the police?",
    "A beautiful score, careful pictures, and dialogue that sounds like people talking.",
    "Save your money.",
)


def made_up_reviews(count: int) -> list[str]:
    """Return `count` texts, the same ones each time."""
    dice = random.Random(SEED)  # noqa: S311  # it protects no secret
    return [_review(dice) for _ in range(count)]


def _review(dice: random.Random) -> str:
    words: list[str] = []
    length = min(LONGEST_WORDS, max(5, round(MEDIAN_WORDS * dice.lognormvariate(0, LOG_DEVIATION))))
    while len(words) < length:
        words += dice.choice(SENTENCES).split()
    return " ".join(words[:length])

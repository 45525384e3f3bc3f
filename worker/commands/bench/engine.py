"""Measures the engine without Kafka: the tokenizer, scoring word ids, scoring text in batches, and a single review."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from typing import Final, TypeVar

from model.predictor import Predictor, score_texts
from worker.commands.bench.figures import percentile

T = TypeVar("T")

BATCHES: Final = (16, 64, 256)
SINGLES: Final = 100  # reviews that are scored one at a time

FIGURES: Final = {
    "tokenizer_reviews_per_s": "tokenizer, reviews/s",
    "engine_tokenized_reviews_per_s": "engine on word ids, reviews/s",
    "engine_text_reviews_per_s": "engine on text, reviews/s",
    **{f"engine_batch_{size}_reviews_per_s": f"engine on text, {size} at a time, reviews/s" for size in BATCHES},
    "single_p50_ms": "one review alone, p50, ms",
    "single_p99_ms": "one review alone, p99, ms",
}


def measure_engine(predictor: Predictor, texts: Sequence[str], *, window: int) -> dict[str, float]:
    """Measure one round of FIGURES, each over all of `texts`. The predictor must be warm.

    `window` is how many reviews the worker may hold. The engine gets that many in one call, and sorts and splits them.
    """

    def rate(work: Callable[[], object]) -> float:
        return len(texts) / _seconds(work)

    tokenized = predictor.tokenize(texts)
    singles = islice(cycle(texts), SINGLES)
    waits_ms = [1000 * _seconds(partial(score_texts, predictor, [text])) for text in singles]
    return {
        "tokenizer_reviews_per_s": rate(lambda: predictor.tokenize(texts)),
        "engine_tokenized_reviews_per_s": rate(lambda: [predictor.predict(rows) for rows in _parts(tokenized, window)]),
        "engine_text_reviews_per_s": rate(lambda: _score_all(predictor, texts, window)),
        **{f"engine_batch_{size}_reviews_per_s": rate(partial(_score_all, predictor, texts, size)) for size in BATCHES},
        "single_p50_ms": percentile(waits_ms, 50),
        "single_p99_ms": percentile(waits_ms, 99),
    }


def _score_all(predictor: Predictor, texts: Sequence[str], at_a_time: int) -> None:
    for some in _parts(texts, at_a_time):
        score_texts(predictor, some)


def _seconds(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def _parts(reviews: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (reviews[start : start + size] for start in range(0, len(reviews), size))

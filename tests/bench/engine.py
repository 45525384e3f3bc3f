"""A program: the engine alone, in a process of its own as the worker's is. Prints one JSON object."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from model.engines import load_predictor
from model.predictor import score_texts
from tests.bench.texts import load_texts
from worker.settings import Settings

T = TypeVar("T")


def main() -> None:
    """Measure both ways on the same reviews."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--artifact", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--reviews", type=int, required=True)
    arguments = parser.parse_args()
    texts = load_texts(arguments.data, arguments.reviews)
    predictor = load_predictor(arguments.artifact)
    predictor.warm_up()
    tokenized = predictor.tokenize(texts)
    info = predictor.info
    answer = {
        "engine_tokenized_reviews_per_s": _rate(
            lambda: [predictor.predict(rows) for rows in _windows(tokenized)], len(texts)
        ),
        "engine_text_reviews_per_s": _rate(
            lambda: [score_texts(predictor, some) for some in _windows(texts)], len(texts)
        ),
        "model": f"{info.name}@{info.version}",
        "engine": info.engine,
        "mean_tokens": sum(map(len, tokenized)) / len(tokenized),
    }
    json.dump(answer, sys.stdout)


def _rate(work: Callable[[], object], reviews: int) -> float:
    began_s = time.perf_counter()
    work()
    return reviews / (time.perf_counter() - began_s)


def _windows(reviews: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many at once as the worker may hold: the engine sorts and cuts them as suits it best."""
    window = Settings().max_inflight_records
    return (reviews[start : start + window] for start in range(0, len(reviews), window))


if __name__ == "__main__":
    main()

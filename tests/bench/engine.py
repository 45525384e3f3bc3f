"""A program: the engine alone, in a process of its own as the worker's is. Prints one JSON object.

It is given as good batches as the worker could make: from a window of as many reviews as the worker may hold,
sorted by length, cut at the worker's batch size.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from model.engines import load_predictor
from model.predictor import Predictor, TokenizedText
from tests.bench.texts import load_texts
from worker.settings import Settings


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
        "engine_tokenized_reviews_per_s": _rate(lambda: _score(predictor, tokenized), len(texts)),
        "engine_text_reviews_per_s": _rate(lambda: _tokenize_and_score(predictor, texts), len(texts)),
        "model": f"{info.name}@{info.version}",
        "engine": info.engine,
        "mean_tokens": sum(map(len, tokenized)) / len(tokenized),
    }
    json.dump(answer, sys.stdout)


def _rate(work: Callable[[], None], reviews: int) -> float:
    began_s = time.perf_counter()
    work()
    return reviews / (time.perf_counter() - began_s)


def _tokenize_and_score(predictor: Predictor, texts: Sequence[str]) -> None:
    window = Settings().max_inflight_records
    for start in range(0, len(texts), window):
        _score(predictor, predictor.tokenize(texts[start : start + window]))


def _score(predictor: Predictor, rows: Sequence[TokenizedText]) -> None:
    settings = Settings()
    for start in range(0, len(rows), settings.max_inflight_records):
        by_length = sorted(rows[start : start + settings.max_inflight_records], key=len)
        for first in range(0, len(by_length), settings.max_batch_reviews):
            predictor.predict(by_length[first : first + settings.max_batch_reviews])


if __name__ == "__main__":
    main()

"""`python -m tests.bench.agreement --data F`: whether all engines of this machine find the same of labelled reviews."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.artifacts import DEFAULT_ARTIFACT
from model.engines import load_predictor
from model.engines.choice import WAYS
from model.errors import EngineUnavailable
from model.predictor import Predictor
from training.analysis import Scores, score_reviews
from training.datasets import Example, read_examples
from training.errors import TrainingError
from training.progress import new_console, showing


def main() -> int:
    """Print a line an engine; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.agreement", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="labelled reviews, as `python -m training evaluate`")
    parser.add_argument("--artifact", type=Path, default=DEFAULT_ARTIFACT)
    arguments = parser.parse_args()
    try:
        reviews = [review for review in read_examples(arguments.data) if review.label is not None]
    except TrainingError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    expected = scored(load_predictor(arguments.artifact, engine="torch", device="cpu"), reviews)
    labels = expected.labels == 1
    for way in WAYS:
        for precision in way.precisions:
            try:
                predictor = load_predictor(
                    arguments.artifact, engine=way.engine, device=way.device, precision=precision
                )
            except EngineUnavailable as error:
                sys.stdout.write(f"{way.engine} {way.device} {precision}: {error}\n")
                continue
            found = scored(predictor, reviews).probabilities
            sys.stdout.write(f"{predictor.info.engine}: {told(found, expected.probabilities, labels)}\n")
            sys.stdout.flush()
    return 0


def scored(predictor: Predictor, reviews: Sequence[Example]) -> Scores:
    """What it makes of the reviews."""
    with showing(new_console(stderr=True), predictor.info.engine, len(reviews)) as show:
        return score_reviews(predictor, reviews, show)


def told(found: NDArray[np.floating], expected: NDArray[np.floating], labels: NDArray[np.bool_]) -> str:
    """How often an engine is right, and how far it is from what torch computes in fp32."""
    decisions = found >= 0.5
    differ = np.count_nonzero(decisions != (expected >= 0.5))
    largest = np.abs(found - expected).max()
    return f"{np.mean(decisions == labels):.2%} right, {differ} decisions differ, largest difference {largest:.1g}"


if __name__ == "__main__":
    sys.exit(main())

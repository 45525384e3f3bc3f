"""`python -m tests.bench.agreement --data F`: whether all engines of this machine find the same of labelled reviews."""

import argparse
import sys
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.artifacts import DEFAULT_ARTIFACT
from model.engines import load_predictor
from model.engines.choice import WAYS
from model.errors import EngineUnavailable
from model.predictor import Predictor, score_texts
from training.datasets import Example, read_examples
from training.errors import TrainingError

WINDOW: Final = 512  # reviews scored at once


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
    labels = np.array([review.label == 1 for review in reviews])
    expected = probabilities(load_predictor(arguments.artifact, engine="torch", device="cpu"), reviews)
    for way in WAYS:
        for precision in way.precisions:
            try:
                predictor = load_predictor(
                    arguments.artifact, engine=way.engine, device=way.device, precision=precision
                )
            except EngineUnavailable as error:
                sys.stdout.write(f"{way.engine} {way.device} {precision}: {error}\n")
                continue
            found = probabilities(predictor, reviews)
            sys.stdout.write(f"{predictor.info.engine}: {told(found, expected, labels)}\n")
            sys.stdout.flush()
    return 0


def probabilities(predictor: Predictor, reviews: list[Example]) -> NDArray[np.float32]:
    """(B,), in the order given."""
    texts = [review.text for review in reviews]
    windows = (texts[begin : begin + WINDOW] for begin in range(0, len(texts), WINDOW))
    return np.concatenate([score_texts(predictor, window).probabilities for window in windows])


def told(found: NDArray[np.float32], expected: NDArray[np.float32], labels: NDArray[np.bool_]) -> str:
    """How often an engine is right, and how far it is from what torch computes in fp32."""
    decisions = found >= 0.5
    differ = np.count_nonzero(decisions != (expected >= 0.5))
    largest = np.abs(found - expected).max()
    return f"{np.mean(decisions == labels):.2%} right, {differ} decisions differ, largest difference {largest:.1g}"


if __name__ == "__main__":
    sys.exit(main())

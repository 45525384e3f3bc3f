"""What every peer is given, and how it scores: with torch's plain forward, as a user would write it, or our engine."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from model.artifact import load_artifact
from model.engines import load_predictor
from model.networks import build_network
from model.predictor import score_texts
from model.sentiment_rnn import SentimentRNN

TORCH: Final = "torch"
OURS: Final = "ours"
ENGINES: Final = (TORCH, OURS)
BATCH: Final = 64  # best for torch's forward of the reference network; larger ones gain nothing

Scorer = Callable[[Sequence[str]], list[float]]  # texts to P(positive)


def given() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser()
    for name in ("--bootstrap-servers", "--input", "--output", "--group"):
        parser.add_argument(name, required=True)
    parser.add_argument("--artifact", type=Path, required=True)
    parser.add_argument("--engine", choices=ENGINES, required=True)
    parser.add_argument("--reviews", type=int, required=True)
    return parser.parse_args()


def load_scorer(engine: str, artifact: Path) -> Scorer:
    """Ready to score: it has run once."""
    scorer = _plain_torch(artifact) if engine == TORCH else _our_engine(artifact)
    scorer(["a film"] * BATCH)
    return scorer


def results(reviews: Sequence[dict[str, Any]], scorer: Scorer) -> list[bytes]:
    """One value of the output topic a review."""
    scores = scorer([review["text"] for review in reviews])
    return [
        json.dumps(
            {
                "review_id": review["review_id"],
                "sentiment": "positive" if score >= 0.5 else "negative",
                "score": round(score, 6),
            }
        ).encode()
        for review, score in zip(reviews, scores, strict=True)
    ]


def _our_engine(artifact: Path) -> Scorer:
    predictor = load_predictor(artifact)
    return lambda texts: score_texts(predictor, texts).probabilities.tolist()


def _plain_torch(artifact: Path) -> Scorer:
    """The reference network as its notebook runs it: rows filled up on the left to the full width, one forward."""
    loaded = load_artifact(artifact)
    network, tokenizer = build_network(loaded.config.network, loaded.weights), loaded.tokenizer
    if not isinstance(network, SentimentRNN):
        raise TypeError("torch's plain forward is written for the reference network alone")
    network.eval()

    def score(texts: Sequence[str]) -> list[float]:
        ids = np.zeros((len(texts), tokenizer.max_tokens), np.int64)
        for line, text in zip(ids, texts, strict=True):
            words = tokenizer.tokenize(text).ids
            line[len(line) - len(words) :] = words
        with torch.inference_mode():
            probabilities, _ = network(torch.from_numpy(ids), network.init_hidden(len(texts)))
        scores: list[float] = probabilities.tolist()
        return scores

    return score

"""A tiny data set with a sentiment that can be learned, laid out as the real one."""

import json
import lzma
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from training.datasets import Example, ImdbFiles, Lists

GOOD = ("wonderful", "superb", "moving", "delightful")
BAD = ("dreadful", "tedious", "clumsy", "insulting")
NEUTRAL = ("the", "film", "actor", "scene", "story", "camera", "music", "plot", "ending", "was", "and", "it")


def make_reviews(prefix: str, count: int, seed: int, *, labelled: bool = True) -> tuple[Example, ...]:
    """Reviews of 5 to 30 words, every second one positive; three words of each say which."""
    rng = random.Random(seed)
    reviews = []
    for number in range(count):
        label = number % 2
        words = rng.choices(NEUTRAL, k=rng.randint(2, 27)) + rng.choices(GOOD if label else BAD, k=3)
        rng.shuffle(words)
        text = f"{' '.join(words)} {prefix.replace('/', '')}{number}"  # no two texts are equal
        reviews.append(Example(f"{prefix}/{number}_{9 if label else 2}", label if labelled else None, text))
    return tuple(reviews)


def write_reviews(path: Path, reviews: tuple[Example, ...]) -> None:
    """As `python -m training fetch` writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with lzma.open(path, "wt", encoding="utf-8") as file:
        for row in reviews:
            record: dict[str, Any] = {"id": row.id, "label": row.label, "text": row.text}
            file.write(json.dumps(record) + "\n")


@pytest.fixture(scope="session")
def imdb() -> ImdbFiles:
    return ImdbFiles(
        train=make_reviews("train/all", 240, seed=1),
        test=make_reviews("test/all", 80, seed=2),
        unlabelled=make_reviews("train/unsup", 120, seed=3, labelled=False),
    )


@pytest.fixture(scope="session")
def lists(imdb: ImdbFiles) -> Lists:
    ids = [row.id for row in imdb.train]
    return Lists(
        dev=frozenset(ids[:60]),
        kept_out=frozenset(ids[50:80]),
        test_duplicates=frozenset({imdb.test[0].id}),
        notebook_order=tuple(reversed(ids)),
    )


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny networks gain nothing from more threads, and share the machine better with one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)

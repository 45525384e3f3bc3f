"""A tiny data set with a sentiment that can be learned, laid out as the real one."""

import json
import lzma
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training.augment import passages
from training.datasets import DomainFiles, Example, ImdbFiles, Lists, Splits, production_splits, text_key
from training.opinions import Opinions
from training.recipes import ProductionRecipe

GOOD = ("wonderful", "superb", "moving", "delightful")
BAD = ("dreadful", "tedious", "clumsy", "insulting")
NEUTRAL = ("the", "film", "actor", "scene", "story", "camera", "music", "plot", "ending", "was", "and", "it")

TINY_PRODUCTION = ProductionRecipe(
    epochs=3,
    embedding_dim=12,
    hidden_dim=12,
    batch_reviews=10,
    sentences=40,
    opposites=10,
    phrases=20,
    peak_learning_rate=0.02,
)


def make_reviews(prefix: str, count: int, seed: int, *, labelled: bool = True) -> tuple[Example, ...]:
    """Reviews of 5 to 30 words, every second one positive; three words of each show its label."""
    rng = random.Random(seed)
    reviews = []
    for number in range(count):
        label = number % 2
        text = review_text(rng, label, f"{prefix.replace('/', '')}{number}", most=27)  # no two texts are equal
        reviews.append(Example(f"{prefix}/{number}_{9 if label else 2}", label if labelled else None, text))
    return tuple(reviews)


def review_text(rng: random.Random, label: int, *more: str, most: int = 8) -> str:
    """Three words that show the label among 2 to `most` neutral ones, and `more` at the end."""
    words = rng.choices(NEUTRAL, k=rng.randint(2, most)) + rng.choices(GOOD if label else BAD, k=3)
    rng.shuffle(words)
    return " ".join([*words, *more])


def opinions_on(splits: Splits, each: int = TINY_PRODUCTION.passages) -> Opinions:
    """Opinions of an overconfident expert that knows the words, on all texts that a recipe needs."""
    texts = [row.text for row in splits.dev + splits.unlabelled] + passages(splits.unlabelled, each)[1]
    return Opinions.of(texts, [float(5 * np.sign(_sentiment(text))) for text in texts])


def _sentiment(text: str) -> int:
    words = text.lower().split()
    return sum(map(words.count, GOOD)) - sum(map(words.count, BAD))


def write_reviews(path: Path, reviews: tuple[Example, ...]) -> None:
    """As `python -m training fetch` writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with lzma.open(path, "wt", encoding="utf-8", preset=0) as file:
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


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that the shipped lists fit: the published ids of train, with short texts.

    Texts that must stay out of a training end with words that say why: heldkept, heldtest, helddev (the production
    recipe's) and heldlate (the notebook's validation and test lines). Some of them also stand among the unlabelled.
    `opinions.npz` is what an expert says of them.
    """
    lists, rng = Lists.shipped(), random.Random(4)
    train = []
    for number, id_ in enumerate(lists.notebook_order):
        held = {"heldkept": id_ in lists.kept_out, "helddev": id_ in lists.dev, "heldlate": number >= 20_000}
        label = int("/pos/" in id_)
        more = (f"n{number}", *(word for word, is_so in held.items() if is_so))  # no two texts are equal
        train.append(Example(id_, label, review_text(rng, label, *more)))
    duplicates = sorted(lists.test_duplicates)[:6]
    test_ids = [*duplicates, *(f"test/pos/{90_000 + number}_9" for number in range(74))]
    test = [
        Example(id_, number % 2, review_text(rng, number % 2, f"t{number}", "heldtest"))
        for number, id_ in enumerate(test_ids)
    ]
    held_out = [*(row for row in train if row.text.endswith(("heldkept", "helddev")))][:10] + test[:10]
    copies = [Example(f"train/unsup/{number}_0", None, row.text.upper()) for number, row in enumerate(held_out)]
    unlabelled = [
        Example(f"train/unsup/{1000 + number}_0", None, review_text(rng, number % 2, f"u{number}"))
        for number in range(120)
    ]
    assert len({text_key(row.text) for row in (*train, *test)}) == len(train) + len(test)
    goods = [
        Example(f"{domain}/train/{number}", number % 2, review_text(rng, number % 2, f"{domain}{number}"))
        for domain in ("books", "toys")
        for number in range(50)
    ]
    more_goods = [
        Example(f"books/unlabel/{number}", None, review_text(rng, number % 2, f"v{number}")) for number in range(30)
    ]
    directory = tmp_path_factory.mktemp("data")
    for name, rows in (
        ("imdb/train", train),
        ("imdb/test", test),
        ("imdb/unsup", copies + unlabelled),
        ("fdu_mtl/train", goods),
        ("fdu_mtl/unlabeled", more_goods),
    ):
        write_reviews(directory / f"{name}.jsonl.xz", tuple(rows))
    splits = production_splits(ImdbFiles.read(directory), lists, DomainFiles.read(directory))
    opinions_on(splits).save(directory / "opinions.npz")
    return directory


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny networks gain nothing from more threads, and share the machine better with one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)

"""Texts: both tokenizers, and the whole way to a score."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from model.artifact import load_artifact
from model.artifacts import DEFAULT_ARTIFACT
from model.engines import load_predictor
from model.engines.tokenizing import BatchTokenizer, batch_tokenizer
from model.predictor import Predictor, score_texts
from model.tokenizer import UNKNOWN_ID, ReferenceTokenizer, Tokenizer, WordTokenizer
from tests.fuzz.fuzzer import Target
from tests.fuzz.mutation import mutated, text
from tests.support.artifacts import WORDS, tiny_bilstm, tiny_reference

VALID: Final = [
    *(b"An honest, moving film.", b"It was <br /><br />bad, 3/10!", "don’t see it, café, 8.5/10 ?!".encode()),
    b"the film was good " * 20,
]
COMPANY: Final = ("the film was good!", "", "bad " * 50)


@contextmanager
def tokenizers() -> Iterator[Target]:
    """Both kinds, with short limits, and the one that ships."""
    roomy = {"head": 1, "tail": 100_000}
    small = (WordTokenizer(WORDS, head=2, tail=4), WordTokenizer(WORDS, **roomy))
    reference = (ReferenceTokenizer(WORDS, max_tokens=6), ReferenceTokenizer(WORDS, max_tokens=100_000))
    shipped = load_artifact(DEFAULT_ARTIFACT).tokenizer
    batches = [(tokenizer, batch_tokenizer(tokenizer)) for tokenizer in (*small, *reference, shipped)]

    def check(data: bytes) -> None:
        content = as_text(data)
        for limited, unlimited in (small, reference):
            _check_tokens(limited, content)
            _check_limit(limited, unlimited, content)
        _check_tokens(shipped, content)
        for tokenizer, batch in batches:
            _check_batch(batch, tokenizer, content)

    yield Target(_make, check)


def _check_tokens(tokenizer: Tokenizer, content: str) -> None:
    row = tokenizer.tokenize(content)
    assert row.ids.dtype == np.int32
    assert row.ids.ndim == 1
    assert len(row) <= tokenizer.max_tokens
    assert all(1 <= i < tokenizer.vocab_size for i in row.ids.tolist())
    assert 0 <= row.unknown <= len(content)
    assert 0 <= row.known_share <= 1
    if isinstance(tokenizer, WordTokenizer):
        assert row.unknown == np.count_nonzero(row.ids == UNKNOWN_ID)
    again = tokenizer.tokenize(content)
    assert np.array_equal(row.ids, again.ids)
    assert (row.unknown, row.truncated) == (again.unknown, again.truncated)


def _check_limit(limited: WordTokenizer | ReferenceTokenizer, unlimited: Tokenizer, content: str) -> None:
    """What fits is kept whole; what is truncated was too long."""
    row, whole = limited.tokenize(content), unlimited.tokenize(content)
    if row.truncated:
        assert len(whole) > limited.max_tokens or len(content) > limited.max_chars
    else:
        assert np.array_equal(row.ids, whole.ids)


def _check_batch(batch: BatchTokenizer, tokenizer: Tokenizer, content: str) -> None:
    """A batch has the rows that the texts have alone."""
    alone = tokenizer.tokenize(content)
    for row in batch.tokenize_all([content, content]):
        assert np.array_equal(row.ids, alone.ids)
        assert (row.unknown, row.truncated, row.known_share) == (alone.unknown, alone.truncated, alone.known_share)


@contextmanager
def predictors() -> Iterator[Target]:
    """Text in, probability out, for both networks in small."""
    with TemporaryDirectory(prefix="sentiment-fuzz-") as directory:
        both = [
            load_predictor(make(Path(directory) / make.__name__).directory, device="cpu", threads=1)
            for make in (tiny_bilstm, tiny_reference)
        ]

        def check(data: bytes) -> None:
            for predictor in both:
                _check_score(predictor, as_text(data))

        yield Target(_make, check)


def _check_score(predictor: Predictor, content: str) -> None:
    """A probability, and the same whatever the company."""
    [row] = predictor.tokenize([content])
    alone = predictor.predict([row])
    among = score_texts(predictor, [COMPANY[0], content, *COMPANY[1:]])
    assert len(alone) == 1
    assert len(among) == 1 + len(COMPANY)
    for predictions in (alone, among):
        assert np.isfinite(predictions.probabilities).all()
        assert ((predictions.probabilities >= 0) & (predictions.probabilities <= 1)).all()
    assert abs(alone.probabilities[0] - among.probabilities[1]) <= predictor.info.tolerance
    assert (alone.tokens[0], alone.truncated[0]) == (among.tokens[1], among.truncated[1])
    assert alone.out_of_domain[0] == among.out_of_domain[1] == row.out_of_domain
    assert abs(alone.probabilities[0] - 0.5) <= row.evidence / 2 + predictor.info.tolerance
    if alone.tokens[0] == 0:
        assert alone.probabilities[0] == 0.5


def _make(rng: random.Random) -> bytes:
    return text(rng).encode("utf-8", "surrogatepass") if rng.random() < 0.7 else mutated(rng, VALID)


def as_text(data: bytes) -> str:
    """Any bytes as a text: UTF-8 where they are, else with a lone surrogate for each odd one."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape")

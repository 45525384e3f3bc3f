"""The contract between whoever has texts and whatever computes their scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

# Of 2,231 English film reviews every one has 0.85 known words or more; other languages have 0.0 to 0.8.
_LEAST_KNOWN_SHARE = 0.7
_NO_EVIDENCE, _FULL_EVIDENCE = 0.4, 0.8


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model answers, for provenance in every result."""

    name: str
    version: str
    sha256: str  # of the artifact's manifest: two artifacts with the same digest score alike
    engine: str  # for people and logs, e.g. "torch cpu fp32, 2 threads"
    tolerance: float  # largest difference of a probability from the fp32 single-review result
    why: str = ""  # this engine and no other, for the log
    tokenizer: str = ""  # what reads the texts, for the log
    batches_at_once: int = 1  # so many calls of `predict` may be under way, and together they are faster


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """One text as the network reads it."""

    ids: NDArray[np.int32]  # (T,), 0 <= T <= the network's limit, no padding
    unknown: int  # how many of the kept words the vocabulary does not have
    truncated: bool  # whether words were dropped to fit the limit
    # Of the kept words, "!" and "?" aside; 0 of none; always 1 where the tokenizer cannot tell.
    known_share: float = 1.0

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def out_of_domain(self) -> bool:
        """Whether the text can hardly be English prose: another language, gibberish, nothing at all."""
        return self.known_share < _LEAST_KNOWN_SHARE

    @property
    def evidence(self) -> float:
        """In [0, 1]: how far the network's answer counts. Where words are missing, so is what they said."""
        return min(max((self.known_share - _NO_EVIDENCE) / (_FULL_EVIDENCE - _NO_EVIDENCE), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Predictions:
    """One row a text, in the order given."""

    probabilities: NDArray[np.float32]  # (B,), calibrated P(positive) in [0, 1], always finite
    tokens: NDArray[np.int32]  # (B,), words that the network read
    truncated: NDArray[np.bool_]  # (B,), whether words were dropped to fit the limit
    out_of_domain: NDArray[np.bool_]  # (B,), see `TokenizedText`

    @classmethod
    def of(cls, rows: Sequence[TokenizedText], probabilities: NDArray[np.float32]) -> Self:
        """Join the (B,) probabilities with what the tokenizer found in the B rows."""
        return cls(
            probabilities=probabilities,
            tokens=np.fromiter(map(len, rows), np.int32, len(rows)),
            truncated=np.fromiter((row.truncated for row in rows), np.bool_, len(rows)),
            out_of_domain=np.fromiter((row.out_of_domain for row in rows), np.bool_, len(rows)),
        )

    def __len__(self) -> int:
        return len(self.probabilities)


@dataclass(frozen=True, slots=True)
class GoldenReview:
    """A text, and the calibrated P(positive) that the model gives it."""

    text: str
    probability: float

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"a probability must be from 0 to 1, this is {self.probability}")


class Predictor(Protocol):
    """Scores texts. Tokenizing is split off so that it can run beside the computation and price a batch.

    A row's result does not depend on its batch: order and company change it by `info.tolerance` at most
    (1e-5 in fp32). A text without a single word carries no evidence and scores exactly 0.5; one with many unknown
    words is drawn towards 0.5, by `TokenizedText.evidence`.
    """

    @property
    def info(self) -> ModelInfo:
        """Name, version and digest of the model and the engine that runs it."""
        ...

    @property
    def golden(self) -> Sequence[GoldenReview]:
        """What the model is known to make of a few texts: for `model.self_test`."""
        ...

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Any str is accepted (NUL, lone surrogates, emoji, 10 MB); never raises. Safe from any thread."""
        ...

    def predict(self, rows: Sequence[TokenizedText]) -> Predictions:
        """Score B >= 0 rows; the engine sorts and pads as it likes and answers in the order given.

        Blocks. Call from as many threads as `info.batches_at_once`, always the same.
        Raises BatchFailed: this batch could not be scored (out of memory, a result that is not finite).
        Raises EngineBroken: no later call can succeed.
        """
        ...

    def warm_up(self) -> None:
        """Run the engine once at its usual shapes, on a thread that will call `predict`. Raises as `predict`."""
        ...


def score_texts(predictor: Predictor, texts: Sequence[str]) -> Predictions:
    """Tokenize and predict in one call, for those who have nothing to overlap."""
    return predictor.predict(predictor.tokenize(texts))

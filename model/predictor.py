"""The contract between the callers that have texts and the engines that compute their scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

# Each of 2,231 English film reviews has a share of known words of 0.85 or more; other languages have 0.0 to 0.8.
_LEAST_KNOWN_SHARE = 0.7
_NO_EVIDENCE, _FULL_EVIDENCE = 0.4, 0.8


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The model and engine, for provenance in every result."""

    name: str
    version: str
    sha256: str  # of the artifact's manifest: two artifacts with the same digest give the same scores
    engine: str  # for people and logs, e.g. "torch cpu fp32, 2 threads"
    tolerance: float  # largest difference of a probability from the fp32 single-review result
    why: str = ""  # the reason for this engine, for the log
    tokenizer: str = ""  # its implementation, for the log
    batches_at_once: int = 1  # calls of `predict` that may run at the same time, which is faster


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """One text as the network reads it."""

    ids: NDArray[np.int32]  # (T,), 0 <= T <= the network's limit, no padding
    unknown: int  # number of kept words that are not in the vocabulary
    truncated: bool  # whether words were dropped to fit the limit
    # Of the kept words without "!" and "?"; 0 if there is no word; 1 where the tokenizer drops unknown words.
    known_share: float = 1.0

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def out_of_domain(self) -> bool:
        """Whether the text is probably not English prose: another language, gibberish, or empty."""
        return self.known_share < _LEAST_KNOWN_SHARE

    @property
    def evidence(self) -> float:
        """The weight of the network's answer, in [0, 1]: it falls with the share of known words."""
        return min(max((self.known_share - _NO_EVIDENCE) / (_FULL_EVIDENCE - _NO_EVIDENCE), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Predictions:
    """One entry per text, in the order given."""

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
    """A text, and the model's calibrated P(positive) of it."""

    text: str
    probability: float

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"a probability must be from 0 to 1, this is {self.probability}")


class Predictor(Protocol):
    """Scores texts. Tokenizing is separate, so that it can run during a computation and give the size of a batch.

    A row's result does not depend on its batch: other rows and their order change it by at most `info.tolerance`
    (1e-5 in fp32). A text without words scores exactly 0.5; the score of a text with many unknown words is drawn
    towards 0.5, by `TokenizedText.evidence`.
    """

    @property
    def info(self) -> ModelInfo:
        """Name, version and digest of the model and the engine that runs it."""
        ...

    @property
    def golden(self) -> Sequence[GoldenReview]:
        """A few texts with their known scores, for `model.self_test`."""
        ...

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Word ids of each text. Accepts any str (NUL, lone surrogates, emoji, 10 MB); never raises; thread-safe."""
        ...

    def predict(self, rows: Sequence[TokenizedText]) -> Predictions:
        """Score B >= 0 rows; results are in the order given, however the engine sorts and pads them.

        Blocks. Call from at most `info.batches_at_once` threads, always the same ones.
        Raises BatchFailed: this batch could not be scored (out of memory, a result that is not finite).
        Raises EngineBroken: no later call can succeed.
        """
        ...

    def warm_up(self) -> None:
        """Run the engine once at its usual shapes, on a thread that will call `predict`. Raises the same errors."""
        ...


def score_texts(predictor: Predictor, texts: Sequence[str]) -> Predictions:
    """Tokenize and predict in one call, for callers that do not overlap the two."""
    return predictor.predict(predictor.tokenize(texts))

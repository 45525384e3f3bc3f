"""A predictor in memory. It passes the same contract suite as the real engines.

A test may also hold it (`gate`, `hold_on`), make texts fail (`fail_on`), and break it (`break_with`).
"""

import threading
import zlib
from collections.abc import Sequence

import numpy as np

from model.errors import BatchFailed, PredictorError
from model.golden import TEXTS
from model.predictor import GoldenReview, ModelInfo, Predictions, TokenizedText

LIMIT_TOKENS = 400


class FakePredictor:
    """See model.predictor.Predictor. The probability of a text is a hash of its words; every word is known.

    Each version has its own vocabulary.
    """

    def __init__(self, version: str = "1") -> None:
        sha256 = f"{zlib.crc32(version.encode()):064x}"
        self.info = ModelInfo(
            name="fake", version=version, sha256=sha256, engine="fake", tolerance=0.0, batches_at_once=2
        )
        self.golden = tuple(
            GoldenReview(text, float(_probability(row))) for text, row in zip(TEXTS, self.tokenize(TEXTS), strict=True)
        )
        self.gate = threading.Event()  # while clear, `predict` waits
        self.gate.set()
        self._held: set[int] = set()  # word ids
        self._failing: set[int] = set()
        self._broken: PredictorError | None = None

    def hold_on(self, word: str) -> None:
        """Let the gate hold only batches that have a text with this word, or another held one."""
        self._held.add(self._id(word))

    def fail_on(self, word: str) -> None:
        """Make batches fail that have a text with this word."""
        self._failing.add(self._id(word))

    def break_with(self, error: PredictorError) -> None:
        """Let every later `predict` and `warm_up` raise `error`."""
        self._broken = error

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """See Predictor."""
        rows = []
        for text in texts:
            ids = np.array([self._id(word) for word in text.split()], dtype=np.int32)
            known_share = 1.0 if len(ids) else 0.0
            rows.append(TokenizedText(ids[:LIMIT_TOKENS], 0, len(ids) > LIMIT_TOKENS, known_share))
        return rows

    def predict(self, rows: Sequence[TokenizedText]) -> Predictions:
        """See Predictor."""
        if not self._held or _has_any(rows, self._held):
            self.gate.wait()
        self._refuse_if_broken()
        if _has_any(rows, self._failing):
            raise BatchFailed("the fake fails on a word of this batch")
        return Predictions.of(rows, np.array([_probability(row) for row in rows], dtype=np.float32))

    def warm_up(self) -> None:
        """See Predictor."""
        self._refuse_if_broken()

    def _refuse_if_broken(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _id(self, word: str) -> int:
        return zlib.crc32(f"{self.info.version} {word}".encode("utf-8", "surrogatepass")) % 20_000


def _has_any(rows: Sequence[TokenizedText], words: set[int]) -> bool:
    return any(words.intersection(row.ids.tolist()) for row in rows)


def _probability(row: TokenizedText) -> float:
    return (zlib.crc32(row.ids.tobytes()) % 1000) / 999 if len(row) else 0.5

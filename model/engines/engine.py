"""The engine contract, and what all engines share: tokenizing, calibration, evidence and checks."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.artifact import Artifact
from model.engines.packing import Ids
from model.engines.tokenizing import batch_tokenizer
from model.errors import BatchFailed
from model.predictor import ModelInfo, Predictions, TokenizedText

_WARM_UP_ROWS = 64


class Engine(Protocol):
    """Computes one network, and nothing else."""

    description: str  # for people and logs, e.g. "torch cpu fp32, 2 threads"
    tolerance: float  # largest difference of a probability from the fp32 result of the same review alone
    batches_at_once: int  # see `ModelInfo`

    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        """Logits (B,) of B > 0 rows with at least one id each, in the order given; uncalibrated, maybe not finite.

        Blocks. Call from at most `batches_at_once` threads. Raises the errors of `Predictor.predict`.
        """
        ...


class EnginePredictor:
    """See `model.predictor.Predictor`: an artifact, computed by any engine."""

    def __init__(self, artifact: Artifact, engine: Engine, *, why: str = "") -> None:
        """`why` this engine was chosen, for the log."""
        self._tokenizer = batch_tokenizer(artifact.tokenizer)
        self._max_tokens = artifact.tokenizer.max_tokens
        self._calibration = artifact.config.calibration
        self._engine = engine
        self.golden = artifact.config.golden
        self.info = ModelInfo(
            name=artifact.config.name,
            version=artifact.config.version,
            sha256=artifact.sha256,
            engine=engine.description,
            tolerance=engine.tolerance,
            why=why,
            tokenizer=self._tokenizer.description,
            batches_at_once=engine.batches_at_once,
        )

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """See `Predictor`."""
        return self._tokenizer.tokenize_all(texts)

    def predict(self, rows: Sequence[TokenizedText]) -> Predictions:
        """See `Predictor`."""
        probabilities = np.full(len(rows), 0.5)
        scored = [i for i, row in enumerate(rows) if len(row)]
        if scored:
            logits = self._finite_logits([rows[i].ids for i in scored])
            evidence = np.array([rows[i].evidence for i in scored])
            probabilities[scored] = self._calibration.scores(logits, evidence)
        return Predictions.of(rows, probabilities.astype(np.float32))

    def warm_up(self) -> None:
        """See `Predictor`."""
        lengths = np.linspace(1, self._max_tokens, _WARM_UP_ROWS, dtype=int)
        self.predict([TokenizedText(np.ones(length, np.int32), 0, truncated=False) for length in lengths])

    def _finite_logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        logits = self._engine.logits(rows)
        if not np.isfinite(logits).all():
            raise BatchFailed(
                f"the network's result is not finite for {np.sum(~np.isfinite(logits))} of {len(rows)} reviews"
            )
        return logits

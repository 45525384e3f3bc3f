"""What every engine shares: tokenizing before the numbers, and calibration, evidence and checks after them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.artifact import Artifact
from model.engines.packing import Ids
from model.engines.tokenizing import batch_tokenizer
from model.errors import BatchFailed
from model.predictor import GoldenReview, ModelInfo, Predictions, TokenizedText

_WARM_UP_ROWS = 64


class Engine(Protocol):
    """Computes one network, and nothing else."""

    @property
    def description(self) -> str:
        """For people and logs, e.g. "torch cpu fp32, 2 threads"."""
        ...

    @property
    def tolerance(self) -> float:
        """Largest difference of a probability from the fp32 result of the same review alone."""
        ...

    @property
    def batches_at_once(self) -> int:
        """See `ModelInfo`."""
        ...

    def logits(self, rows: Sequence[Ids]) -> NDArray[np.float64]:
        """(B,) of B > 0 rows with at least one id each, in the order given; uncalibrated, not checked to be finite.

        Blocks; called from as many threads as `batches_at_once`. Raises as `Predictor.predict`.
        """
        ...


class EnginePredictor:
    """See `model.predictor.Predictor`: an artifact, its numbers computed by any engine."""

    def __init__(self, artifact: Artifact, engine: Engine, *, why: str = "") -> None:
        self._tokenizer = batch_tokenizer(artifact.tokenizer)
        self._max_tokens = artifact.tokenizer.max_tokens
        self._calibration = artifact.config.calibration
        self._golden = artifact.config.golden
        self._engine = engine
        self._info = ModelInfo(
            name=artifact.config.name,
            version=artifact.config.version,
            sha256=artifact.sha256,
            engine=engine.description,
            tolerance=engine.tolerance,
            why=why,
            tokenizer=self._tokenizer.description,
            batches_at_once=engine.batches_at_once,
        )

    @property
    def info(self) -> ModelInfo:
        """See `Predictor`."""
        return self._info

    @property
    def golden(self) -> Sequence[GoldenReview]:
        """See `Predictor`."""
        return self._golden

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
            raise BatchFailed(f"the network's result is not finite for {np.sum(~np.isfinite(logits))} of {len(rows)}")
        return logits

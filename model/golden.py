"""A few reviews with their scores, kept in an artifact to test the engine that computes it.

The scores are computed when the artifact is written, word by word in float64, without any code of the engines.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model.network_config import AnyNetworkConfig, NetworkConfig, Weights, lstm_layer_count
from model.predictor import GoldenReview
from model.tokenizer import Tokenizer

if TYPE_CHECKING:
    from model.artifact_parts import Calibration

Floats = NDArray[np.float64]

TEXTS = (
    "A wonderful, moving film with two great performances.",
    "",
    "Dull, badly acted, and far too long: a waste of time.",
    "It was neither good nor bad, and I had forgotten it by the next day. " * 20,
    "Fine.",
)


def golden_reviews(
    network: AnyNetworkConfig, weights: Weights, tokenizer: Tokenizer, calibration: "Calibration"
) -> tuple[GoldenReview, ...]:
    """Each of TEXTS with the model's score; `weights` are the stored ones."""
    logits_of = _bilstm_logit if isinstance(network, NetworkConfig) else _sentiment_rnn_logit
    golden = []
    for text in TEXTS:
        row = tokenizer.tokenize(text)
        probability = 0.5
        if len(row):
            logit = np.array([logits_of(weights, row.ids, tokenizer.max_tokens)])
            probability = float(calibration.scores(logit, np.array([row.evidence]))[0])
        golden.append(GoldenReview(text, probability))
    return tuple(golden)


def _bilstm_logit(weights: Weights, ids: NDArray[np.int32], _max_tokens: int) -> float:
    """See `model.network.BiLstmClassifier`."""
    words = weights["embedding.weight"][ids].astype(np.float64)  # (T, E)
    pooled: list[Floats] = []
    for name, sequence in (("forward_lstm", words), ("backward_lstm", words[::-1])):
        states = _lstm(weights, name, 0, sequence)
        pooled += [states.mean(axis=0), states.max(axis=0), states[-1]]
    return float(weights["head.weight"][0] @ np.concatenate(pooled) + weights["head.bias"][0])


def _sentiment_rnn_logit(weights: Weights, ids: NDArray[np.int32], max_tokens: int) -> float:
    """See `model.sentiment_rnn.SentimentRNN`; its rows are padded with zeros on the left."""
    padded = np.concatenate([np.zeros(max_tokens - len(ids), np.int32), ids])
    states = weights["embedding.weight"][padded].astype(np.float64)
    for layer in range(lstm_layer_count(weights, "lstm")):
        states = _lstm(weights, "lstm", layer, states)
    return float(weights["fc.weight"][-1] @ states[-1] + weights["fc.bias"][-1])


def _lstm(weights: Weights, name: str, layer: int, words: Floats) -> Floats:
    """The states (T, H) of one layer over words (T, E); torch stacks the gates as input, forget, cell, output."""
    recurrent = weights[f"{name}.weight_hh_l{layer}"].astype(np.float64)
    inputs = words @ weights[f"{name}.weight_ih_l{layer}"].T.astype(np.float64)
    inputs = inputs + weights[f"{name}.bias_ih_l{layer}"] + weights[f"{name}.bias_hh_l{layer}"]
    state = cell = np.zeros(recurrent.shape[1])
    states = np.empty((len(words), len(state)))
    for step, of_word in enumerate(inputs):
        into, forget, new, out = np.split(of_word + recurrent @ state, 4)
        cell = _sigmoid(forget) * cell + _sigmoid(into) * np.tanh(new)
        state = _sigmoid(out) * np.tanh(cell)
        states[step] = state
    return states


def _sigmoid(z: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(0.5 * z))

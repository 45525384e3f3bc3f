"""The reference notebook in numpy and plain Python, to compare the networks and tokenizers with."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def words(text: str) -> list[str]:
    """Lower case, without punctuation, split at blanks."""
    return "".join([character for character in text.lower() if character not in PUNCTUATION]).split()


def pad_features(rows: Sequence[Sequence[int]], width: int) -> NDArray[np.int64]:
    """Pad with zeros on the left; cut a longer row to its first `width` ids."""
    features = np.zeros((len(rows), width), dtype=np.int64)
    for i, row in enumerate(rows):
        if row:
            features[i, -len(row) :] = np.array(row)[:width]
    return features


def probabilities(weights: Mapping[str, Floats], ids: NDArray[np.int64]) -> Floats:
    """Sigmoid of the linear layer of the last LSTM state, from zero states: (B,) of ids (B, T)."""
    layers = sum(name.startswith("lstm.weight_ih_l") for name in weights)
    x = weights["embedding.weight"][ids]  # (B, T, E)
    for layer in range(layers):
        x = _lstm(
            x,
            weights[f"lstm.weight_ih_l{layer}"],
            weights[f"lstm.weight_hh_l{layer}"],
            weights[f"lstm.bias_ih_l{layer}"] + weights[f"lstm.bias_hh_l{layer}"],
        )
    logits = x[:, -1] @ weights["fc.weight"].T + weights["fc.bias"]
    return _sigmoid(logits[:, -1])


def _lstm(x: Floats, w_ih: Floats, w_hh: Floats, bias: Floats) -> Floats:
    """States (B, T, H) of one layer; the gates' order in the weights is input, forget, cell, output."""
    h = c = np.zeros((len(x), w_hh.shape[1]))
    states = []
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ w_ih.T + h @ w_hh.T + bias, 4, axis=1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        h = _sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.stack(states, axis=1)


def _sigmoid(z: Floats) -> Floats:
    return 1 / (1 + np.exp(-z))

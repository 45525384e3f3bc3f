"""Word vectors from neighbouring words: the pretraining of the production network's embedding.

Positive pointwise mutual information of neighbouring words, factorised (Levy, Goldberg and Dagan, TACL 2015). On
20 million words this takes a minute and starts training as well as skip-gram, which takes an hour.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.utils.extmath import randomized_svd

_WINDOW = 5  # words on each side; a neighbour at distance d counts (6 - d) / 5
_CONTEXT_POWER = 0.75  # else rare contexts would get too much weight
_POWER_ITERATIONS = 3


def pretrained_embedding(
    rows: Sequence[NDArray[np.int32]], vocab_size: int, dim: int, first_word_id: int
) -> NDArray[np.float32]:
    """Vectors (`vocab_size`, `dim`) with mean 0 and deviation 1 over all words; zeros for ids below `first_word_id`.

    `rows` hold the word ids of each text, (T,). Deterministic.
    """
    information = _positive_information(_neighbours(rows, vocab_size, first_word_id))
    left, strengths, _ = randomized_svd(
        information, min(dim, vocab_size - 1), n_oversamples=10, n_iter=_POWER_ITERATIONS, random_state=0
    )
    vectors = np.zeros((vocab_size, dim), np.float32)
    vectors[:, : left.shape[1]] = left * np.sqrt(strengths)
    words = vectors[first_word_id:]
    words -= words.mean(axis=0)
    words /= max(float(words.std()), 1e-6)
    vectors[:first_word_id] = 0
    return vectors


def _neighbours(rows: Sequence[NDArray[np.int32]], vocab_size: int, first_word_id: int) -> csr_matrix:
    """(V, V), symmetric: how often two words occur near each other, weighted by nearness."""
    border = np.zeros(_WINDOW, np.int64)  # no window reaches into the next text
    text = np.concatenate([part for row in rows for part in (row.astype(np.int64), border)])
    counts = csr_matrix((vocab_size, vocab_size), dtype=np.float32)
    for distance in range(1, _WINDOW + 1):
        left, right = text[:-distance], text[distance:]
        known = (left >= first_word_id) & (right >= first_word_id)
        pairs, times = np.unique(left[known] * vocab_size + right[known], return_counts=True)
        weights = times.astype(np.float32) * (_WINDOW + 1 - distance) / _WINDOW
        counts += csr_matrix((weights, (pairs // vocab_size, pairs % vocab_size)), shape=counts.shape)
    return (counts + counts.T).tocsr()


def _positive_information(counts: csr_matrix) -> csr_matrix:
    """log(P(word, context) / (P(word) P(context))) where it is positive, 0 elsewhere."""
    frequency = np.asarray(counts.sum(axis=1)).ravel()
    context = frequency**_CONTEXT_POWER
    context /= max(float(context.sum()), 1.0)
    pairs = counts.tocoo()
    information = np.log(pairs.data / (frequency[pairs.row] * context[pairs.col]))
    kept = information > 0
    values = information[kept].astype(np.float32)
    return csr_matrix((values, (pairs.row[kept], pairs.col[kept])), shape=counts.shape)

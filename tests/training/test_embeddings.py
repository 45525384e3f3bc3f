import numpy as np

from training.embeddings import pretrained_embedding

FIRST, DIM = 2, 8


def texts(count: int = 400) -> list[np.ndarray]:
    """Words 2 and 3 stand between 10 and 11, words 4 and 5 between 12 and 13: each pair has the same neighbours."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(count):
        left, right, words = (10, 11, (2, 3)) if rng.random() < 0.5 else (12, 13, (4, 5))
        rows.append(np.array([left, rng.choice(words), right, rng.integers(6, 10)], np.int32))
    return rows


def cosine(vectors: np.ndarray, one: int, other: int) -> float:
    a, b = vectors[one], vectors[other]
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_words_with_the_same_neighbours_have_similar_vectors() -> None:
    vectors = pretrained_embedding(texts(), 14, DIM, FIRST)
    assert cosine(vectors, 2, 3) > 0.6
    assert cosine(vectors, 4, 5) > 0.6
    assert max(cosine(vectors, 2, 4), cosine(vectors, 3, 5)) < 0


def test_words_have_mean_zero_and_deviation_one_and_what_is_no_word_is_zero() -> None:
    vectors = pretrained_embedding(texts(), 14, DIM, FIRST)
    assert vectors.shape == (14, DIM)
    assert vectors.dtype == np.float32
    assert not vectors[:FIRST].any()
    assert np.allclose(vectors[FIRST:].mean(axis=0), 0, atol=1e-5)
    assert np.isclose(vectors[FIRST:].std(), 1, atol=1e-4)


def test_the_same_texts_give_the_same_vectors() -> None:
    assert np.array_equal(pretrained_embedding(texts(), 14, DIM, FIRST), pretrained_embedding(texts(), 14, DIM, FIRST))


def test_a_vocabulary_smaller_than_the_vector_leaves_the_rest_zero() -> None:
    vectors = pretrained_embedding([np.array([2, 3, 2, 3], np.int32)], 4, DIM, FIRST)
    assert np.isfinite(vectors).all()
    assert not vectors[:, 3:].any()

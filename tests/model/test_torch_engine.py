"""The torch engine: the right numbers, and the right error for each failure of a computation."""

import dataclasses
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from model.artifact import Artifact
from model.engines.engine import EnginePredictor
from model.engines.torch_engine import TorchEngine
from model.errors import BatchFailed, EngineBroken, ModelError
from model.network import BiLstmClassifier
from model.networks import Network, build_network
from model.predictor import Predictor, TokenizedText, score_texts
from model.sentiment_rnn import SentimentRNN
from tests.model import notebook_numpy
from tests.support.artifacts import WORDS

TEXTS = ["good film", "bad", "the film was not good !", "", "see it " * 7, "unheard"]


def network_of(artifact: Artifact) -> Network:
    return build_network(artifact.config.network, artifact.weights)


def torch_predictor(artifact: Artifact, network: Network | None = None, threads: int | None = None) -> Predictor:
    engine = TorchEngine(network or network_of(artifact), max_tokens=artifact.tokenizer.max_tokens, threads=threads)
    return EnginePredictor(artifact, engine)


# The numbers


def test_the_production_score_is_the_calibrated_sigmoid_of_the_networks_logit(bilstm: Artifact) -> None:
    with torch.inference_mode():
        logit = network_of(bilstm)(torch.tensor([[5, 3]]), torch.tensor([2])).item()
    score = score_texts(torch_predictor(bilstm), ["good film"]).probabilities[0]
    assert score == pytest.approx(1 / (1 + np.exp(-(logit / 1.5 + 0.25))), abs=1e-6)


def test_unknown_words_draw_the_score_towards_the_middle(bilstm: Artifact) -> None:
    predictor = torch_predictor(bilstm)
    known, half, none = predictor.tokenize(["good film", "good qqqq", "qqqq zzzz"])
    sure = dataclasses.replace(half, known_share=1.0)
    p = predictor.predict([known, half, none, sure]).probabilities.astype(float)
    assert p[1] - 0.5 == pytest.approx(0.25 * (p[3] - 0.5), abs=1e-6)
    assert p[2] == 0.5


def test_reference_scores_are_the_notebooks_numbers(reference: Artifact) -> None:
    """Texts in, probabilities out: compared with the rules and the arithmetic of the notebook in plain numpy."""
    texts = [text for text in TEXTS if set(notebook_numpy.words(text)) & set(WORDS)]
    vocab_to_int = {word: i for i, word in enumerate(WORDS, 1)}
    rows = [[vocab_to_int[w] for w in notebook_numpy.words(text) if w in vocab_to_int] for text in texts]
    weights = {name: weight.astype(float) for name, weight in reference.weights.items()}
    expected = notebook_numpy.probabilities(weights, notebook_numpy.pad_features(rows, 9))
    scores = score_texts(torch_predictor(reference), texts).probabilities
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("weight", [1e4, -1e4])
def test_a_reference_score_that_rounds_to_0_or_1_stays_finite(reference: Artifact, weight: float) -> None:
    network = network_of(reference)
    assert isinstance(network, SentimentRNN)
    with torch.no_grad():
        network.fc.bias.fill_(weight)
    score = score_texts(torch_predictor(reference, network), ["good"])
    assert score.probabilities[0] == pytest.approx(float(weight > 0), abs=1e-6)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_changes_no_score(bilstm: Artifact, threads: int) -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, n)) for n in rng.integers(0, 30, 3_000)]
    one = score_texts(torch_predictor(bilstm, threads=1), texts).probabilities
    several = score_texts(torch_predictor(bilstm, threads=threads), texts).probabilities
    np.testing.assert_allclose(several, one, rtol=0, atol=1e-5)


def test_a_network_shares_no_memory_with_the_artifact(bilstm: Artifact) -> None:
    before = {name: weight.copy() for name, weight in bilstm.weights.items()}
    with torch.no_grad():
        for parameter in network_of(bilstm).parameters():
            parameter.zero_()
    assert all(np.array_equal(before[name], weight) for name, weight in bilstm.weights.items())


def test_it_describes_its_device(bilstm: Artifact) -> None:
    info = torch_predictor(bilstm, threads=3).info
    assert (info.name, info.version, info.sha256) == ("tiny", "1", bilstm.sha256)
    assert info.engine == "torch cpu fp32, 3 threads"
    assert info.tolerance == 1e-5


# The caller's thread


def test_the_callers_torch_settings_are_left_alone(bilstm: Artifact) -> None:
    threads, grad = torch.get_num_threads(), torch.is_grad_enabled()
    predictor = torch_predictor(bilstm, threads=1)
    predictor.warm_up()
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled() == grad
    assert not torch.is_inference_mode_enabled()
    assert torch.tensor(1e-40) * 1 > 0  # a denormal number is kept


def test_it_may_be_called_from_a_thread_that_is_not_the_main_one(bilstm: Artifact) -> None:
    predictor = torch_predictor(bilstm)
    answers: list[float] = []
    thread = threading.Thread(target=lambda: answers.extend(score_texts(predictor, TEXTS).probabilities.tolist()))
    thread.start()
    thread.join()
    assert answers == pytest.approx(score_texts(predictor, TEXTS).probabilities.tolist(), abs=1e-5)


# Failures

POISON = WORDS.index("bad") + 2


class FailsOnPoison(BiLstmClassifier):
    """The tiny network, which runs a function of the test when it reads the word "bad"."""

    fail: Callable[[], object]

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        if (ids == POISON).any():
            self.fail()
        return super().forward(ids, lengths)


def failing(artifact: Artifact, fail: Callable[[], object]) -> Predictor:
    healthy = network_of(artifact)
    assert isinstance(healthy, BiLstmClassifier)
    network = FailsOnPoison(healthy.config).eval()
    network.load_state_dict(healthy.state_dict())
    network.fail = fail
    return torch_predictor(artifact, network, threads=2)


def raise_(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("fail", "expected", "message"),
    [
        (lambda: torch.empty(2**60), BatchFailed, "torch could not score"),  # more than any machine has
        (lambda: np.empty(2**55), BatchFailed, "no memory"),
        (lambda: torch.ones(2) @ torch.ones(3), BatchFailed, "torch could not score"),
        (lambda: raise_(torch.OutOfMemoryError("CUDA out of memory")), BatchFailed, "no memory"),
        (lambda: raise_(torch.AcceleratorError("device-side assert")), EngineBroken, "restart the process"),
        (lambda: raise_(RuntimeError("CUDA error: unspecified launch failure")), EngineBroken, "restart the process"),
    ],
)
def test_a_failed_computation_raises_one_of_our_errors_with_its_cause_and_no_text(
    bilstm: Artifact, fail: Callable[[], object], expected: type[ModelError], message: str
) -> None:
    predictor = failing(bilstm, fail)
    with pytest.raises(expected, match=message) as caught:
        score_texts(predictor, ["good film", "bad secret"])
    assert caught.value.__cause__ is not None
    assert "secret" not in str(caught.value)


def test_after_a_failed_batch_the_next_one_is_scored(bilstm: Artifact) -> None:
    predictor = failing(bilstm, lambda: torch.empty(2**60))
    before = score_texts(predictor, ["good film"]).probabilities
    with pytest.raises(BatchFailed):
        score_texts(predictor, ["bad"] * 2_000)
    assert score_texts(predictor, ["good film"]).probabilities.tolist() == before.tolist()


def test_a_mistake_in_our_own_code_is_not_taken_for_a_failed_batch(bilstm: Artifact) -> None:
    predictor = failing(bilstm, lambda: raise_(KeyError("a bug")))
    with pytest.raises(KeyError):
        score_texts(predictor, ["bad"])


def test_a_result_that_is_not_finite_fails_the_batch(bilstm: Artifact) -> None:
    network = network_of(bilstm)
    assert isinstance(network, BiLstmClassifier)
    with torch.no_grad():
        network.head.weight.fill_(3e38)
    predictor = torch_predictor(bilstm, network)
    with pytest.raises(BatchFailed, match="not finite for 2 of 2"):
        score_texts(predictor, ["good film", "see it", ""])


def test_rows_of_one_length_are_scored_like_rows_of_many(bilstm: Artifact) -> None:
    predictor = torch_predictor(bilstm, threads=2)
    rng = np.random.default_rng(1)
    rows = [TokenizedText(rng.integers(1, 13, 12).astype(np.int32), 0, truncated=False) for _ in range(500)]
    together = predictor.predict(rows).probabilities
    alone = [predictor.predict([row]).probabilities[0] for row in rows[:20]]
    np.testing.assert_allclose(together[:20], alone, rtol=0, atol=1e-5)

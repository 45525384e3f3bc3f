"""The golden reviews of an artifact have the scores of its network, computed without any engine."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from model.artifact import Artifact, Calibration, load_artifact, save_artifact
from model.artifacts import DEFAULT_ARTIFACT
from model.engines import load_predictor
from model.golden import TEXTS
from model.network import BiLstmClassifier
from model.network_config import NetworkConfig
from model.networks import Network, config_of, weights_of
from model.predictor import score_texts
from model.sentiment_rnn import SentimentRNN
from model.tokenizer import ReferenceTokenizer, Tokenizer, WordTokenizer
from tests.support.artifacts import louder

WORDS = tuple(sorted({word for text in TEXTS for word in re.findall("[a-z]+", text.lower())}))


def save(directory: Path, network: Network, tokenizer: Tokenizer) -> Artifact:
    return save_artifact(
        directory,
        name="golden",
        version="1",
        network=config_of(network),
        weights=weights_of(network),
        tokenizer=tokenizer,
        calibration=Calibration(temperature=1.5, bias=0.25),
        card="Random weights.",
    )


@pytest.fixture(params=["bilstm", "sentiment_rnn"])
def artifact(request: pytest.FixtureRequest, tmp_path: Path) -> Artifact:
    torch.manual_seed(3)
    if request.param == "bilstm":
        words = WordTokenizer(WORDS, head=20, tail=30)
        config = NetworkConfig(vocab_size=words.vocab_size, embedding_dim=6, hidden_dim=8)
        return save(tmp_path / "artifact", louder(BiLstmClassifier(config)), words)
    notebook = ReferenceTokenizer(WORDS, max_tokens=40)
    return save(tmp_path / "artifact", louder(SentimentRNN(notebook.vocab_size, 1, 6, 8, 2)), notebook)


def test_they_are_what_torch_makes_of_them(artifact: Artifact) -> None:
    predictor = load_predictor(artifact.directory, engine="torch", device="cpu", threads=1)
    found = score_texts(predictor, [review.text for review in predictor.golden]).probabilities
    expected = [review.probability for review in predictor.golden]
    assert [review.text for review in predictor.golden] == list(TEXTS)
    assert len({round(probability, 3) for probability in expected}) == len(TEXTS)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_shipped_model_distinguishes_praise_from_blame() -> None:
    praise, nothing, blame, *_ = (review.probability for review in load_artifact(DEFAULT_ARTIFACT).config.golden)
    assert blame < 0.1 < 0.9 < praise
    assert nothing == 0.5

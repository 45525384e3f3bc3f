"""A network is rebuilt from its config and weights."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.network import BiLstmClassifier
from model.network_config import NetworkConfig, SentimentRnnConfig
from model.networks import Network, build_network, config_of, weights_of
from model.sentiment_rnn import SentimentRNN

SIZE = st.integers(1, 9)
BILSTMS = st.builds(NetworkConfig, vocab_size=SIZE, embedding_dim=SIZE, hidden_dim=SIZE).map(BiLstmClassifier)
REFERENCES = st.builds(
    SentimentRNN,
    vocab_size=SIZE,
    output_size=st.integers(1, 3),
    embedding_dim=SIZE,
    hidden_dim=SIZE,
    n_layers=st.integers(1, 3),
)
NETWORKS = BILSTMS | REFERENCES


@given(network=NETWORKS)
@settings(deadline=None, max_examples=50)
def test_the_config_knows_names_and_shapes_of_all_weights(network: Network) -> None:
    expected = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    assert config_of(network).weight_shapes() == expected


@given(network=NETWORKS)
@settings(deadline=None, max_examples=50)
def test_a_network_built_again_is_the_same_and_ready_to_score(network: Network) -> None:
    again = build_network(config_of(network), weights_of(network))
    assert config_of(again) == config_of(network)
    assert not again.training
    for name, weight in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight)
        assert again.state_dict()[name].dtype == torch.float32


def test_weights_taken_from_a_network_do_not_follow_it() -> None:
    network = BiLstmClassifier(NetworkConfig(vocab_size=3, embedding_dim=2, hidden_dim=2))
    weights = weights_of(network)
    before = weights["head.bias"].copy()
    with torch.no_grad():
        network.head.bias.add_(1)
    assert weights["head.bias"] == before


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_dropout_that_is_no_probability_is_refused(probability: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        NetworkConfig(word_dropout=probability)
    with pytest.raises(ValueError, match="from 0 to 1"):
        SentimentRnnConfig(3, 1, 2, 2, 1, drop_prob=probability)

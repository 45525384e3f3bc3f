"""Networks as torch modules: built from a config and weights, and converted back."""

from dataclasses import asdict

import torch

from model.network import BiLstmClassifier
from model.network_config import AnyNetworkConfig, NetworkConfig, SentimentRnnConfig, Weights
from model.sentiment_rnn import SentimentRNN

Network = BiLstmClassifier | SentimentRNN


def build_network(config: AnyNetworkConfig, weights: Weights) -> Network:
    """The network of `config` with copies of these weights, in float32 on the CPU, in evaluation mode."""
    network: Network
    with torch.device("meta"):  # shapes only, because the random weights of a new network are not used
        network = BiLstmClassifier(config) if isinstance(config, NetworkConfig) else SentimentRNN(**asdict(config))
    network.load_state_dict({name: torch.tensor(weight) for name, weight in weights.items()}, assign=True)
    return network.eval()


def config_of(network: Network) -> AnyNetworkConfig:
    """The sizes of a network."""
    if isinstance(network, BiLstmClassifier):
        return network.config
    return SentimentRnnConfig(
        vocab_size=network.embedding.num_embeddings,
        output_size=network.output_size,
        embedding_dim=network.embedding.embedding_dim,
        hidden_dim=network.hidden_dim,
        n_layers=network.n_layers,
        drop_prob=network.lstm.dropout,
    )


def weights_of(network: Network) -> Weights:
    """A copy of the network's state dict, float32."""
    return {name: weight.detach().cpu().float().numpy().copy() for name, weight in network.state_dict().items()}

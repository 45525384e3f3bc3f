"""Small artifacts with random weights: quick to make, and with all the parts of a real one."""

import shutil
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from model.artifact import WEIGHTS, Artifact, Calibration, save_artifact
from model.network import BiLstmClassifier
from model.network_config import NetworkConfig
from model.networks import config_of, weights_of
from model.sentiment_rnn import SentimentRNN
from model.tokenizer import ReferenceTokenizer, WordTokenizer

N = TypeVar("N", BiLstmClassifier, SentimentRNN)

WORDS = ("the", "film", "was", "good", "bad", "don't", "see", "it", "!", "10/10", "café")


def tiny_bilstm(directory: Path) -> Artifact:
    """The production network in small, reading up to 12 tokens."""
    torch.manual_seed(1)
    tokenizer = WordTokenizer(WORDS, head=5, tail=7)
    config = NetworkConfig(vocab_size=tokenizer.vocab_size, embedding_dim=6, hidden_dim=8)
    return save_artifact(
        directory,
        name="tiny",
        version="1",
        network=config,
        weights=weights_of(louder(BiLstmClassifier(config))),
        tokenizer=tokenizer,
        calibration=Calibration(temperature=1.5, bias=0.25),
        card="# Tiny\n\nRandom weights.\n\n## More\n\nNothing.\n",
    )


def tiny_reference(directory: Path) -> Artifact:
    """The reference network in small, reading up to 9 tokens."""
    torch.manual_seed(2)
    tokenizer = ReferenceTokenizer(WORDS, max_tokens=9)
    network = louder(SentimentRNN(tokenizer.vocab_size, 1, 6, 8, 2))
    return save_artifact(
        directory,
        name="tiny-reference",
        version="1",
        network=config_of(network),
        weights=weights_of(network),
        tokenizer=tokenizer,
        calibration=Calibration(),
        card="# Tiny reference\n",
        storage_dtype=np.float32,
    )


def louder(network: N) -> N:
    """Larger weights, so that scores spread over (0, 1) instead of standing at one half."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)
    return network


def damaged_copy(artifact: Path, target: Path) -> Path:
    """Copy an artifact and change the last bit of its weights."""
    shutil.copytree(artifact, target)
    weights = target / WEIGHTS
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    return target


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)

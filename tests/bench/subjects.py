"""What is measured: the artifact that ships, a network of the reference's size, and each client without a network."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch

from model.artifact import Calibration, save_artifact
from model.networks import config_of, weights_of
from model.sentiment_rnn import SentimentRNN
from model.tokenizer import ReferenceTokenizer
from tests.bench.texts import load_texts
from worker.broker.clients import ClientName

SHIPPED: Final = "shipped"
REFERENCE: Final = "reference-sized"
SEED: Final = 20_260_101
VOCABULARY_REVIEWS: Final = 2000


@dataclass(frozen=True, slots=True)
class Subject:
    """A network under measurement."""

    name: str
    artifact: Path | None = None  # None: of what is measured without a network
    client: ClientName = "kafka-python"
    about: dict[str, object] = field(default_factory=dict)  # what the engine says of itself


def reference_subject(directory: Path, data: Path) -> Subject:
    """The reference network at its size (embedding 400, hidden 256, 2 layers, 200 tokens), its weights random.

    Speed does not depend on what the weights are; the words come from the reviews, so that the lengths are real.
    """
    tokenizer = ReferenceTokenizer.build(load_texts(data, VOCABULARY_REVIEWS), max_tokens=200)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = SentimentRNN(tokenizer.vocab_size, output_size=1, embedding_dim=400, hidden_dim=256, n_layers=2)
    save_artifact(
        directory,
        name=REFERENCE,
        version="random",
        network=config_of(network),
        weights=weights_of(network),
        tokenizer=tokenizer,
        calibration=Calibration(),
        card="Random weights, for measuring speed.",
        storage_dtype=np.float32,
    )
    return Subject(REFERENCE, directory)

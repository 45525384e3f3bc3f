"""Makes an artifact from the files of the reference notebook: a state dict and its word list."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.artifact import Artifact, save_artifact
from model.artifact_parts import Calibration, from_json
from model.errors import ModelError
from model.network_config import lstm_layer_count
from model.networks import config_of, weights_of
from model.sentiment_rnn import SentimentRNN
from model.tokenizer import ReferenceTokenizer

_IMPORT_CARD = """# {title}

Imported from a state dict of the reference network "Sentiment RNN" ({state_dict}) and its vocabulary ({vocab}).

- Network: embedding {network.embedding}, {network.n_layers} LSTM layers of {network.hidden_dim}; reads {words} words
- Training data, recipe and accuracy: not known to this program; ask its author
- Calibration: none; the score is the network's own sigmoid
"""


def import_notebook(
    state_dict: Path, vocab: Path, directory: Path, *, name: str, version: str, max_tokens: int
) -> Artifact:
    """Write an artifact to `directory` that scores like the notebook; it reads `max_tokens` words of each review.

    Raises ModelError where a file cannot be used.
    """
    network = load_state_dict(state_dict)
    tokenizer = load_vocabulary(vocab, network, max_tokens)
    card = _IMPORT_CARD.format(
        title=f"{name} {version}", state_dict=state_dict.name, vocab=vocab.name, network=network, words=max_tokens
    )
    return save_artifact(
        directory,
        name=name,
        version=version,
        network=config_of(network),
        weights=weights_of(network),
        tokenizer=tokenizer,
        calibration=Calibration(),
        card=card,
        storage_dtype=np.float32,  # half would change the notebook's numbers
    )


def load_state_dict(path: Path) -> SentimentRNN:
    """The network whose `state_dict()` was saved to `path`, with sizes from the shapes of its weights.

    Runs no code from the file. Raises ModelError where it is not such a state dict.
    """
    state = _load_tensors(path)
    try:
        embedding, fc = state["embedding.weight"], state["fc.weight"]
        network = SentimentRNN(
            vocab_size=embedding.shape[0],
            output_size=fc.shape[0],
            embedding_dim=embedding.shape[1],
            hidden_dim=fc.shape[1],
            n_layers=lstm_layer_count(state, "lstm"),
        )
        network.load_state_dict(state)
    except KeyError as error:
        raise ModelError(f"{path}: it has no {error.args[0]}: save the state_dict() of a SentimentRNN") from error
    except (RuntimeError, ValueError, IndexError) as error:
        reason = " ".join(str(error).split())  # torch lists one finding a line
        raise ModelError(f"{path}: its weights are not those of a SentimentRNN ({reason})") from error
    return network.eval()


def load_vocabulary(path: Path, network: SentimentRNN, max_tokens: int) -> ReferenceTokenizer:
    """The tokenizer of `network`, from a JSON object {word: id} (the notebook's `vocab_to_int`, ids from 1) or a
    JSON list of words in the order of their ids. Raises ModelError where the file does not fit the network.
    """
    try:
        words = _words(from_json(path.read_bytes()))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}): give the vocabulary's JSON file") from error
    except ValueError as error:
        raise ModelError(f"{path}: {error}: give {{word: id}} with the ids 1, 2, ... or a list of words") from error
    tokenizer = ReferenceTokenizer(words, max_tokens)
    rows = network.embedding.num_embeddings
    if tokenizer.vocab_size != rows:
        raise ModelError(
            f"{path}: with {len(words)} words the network's embedding needs {len(words) + 1} rows, but it has {rows}: "
            "give the vocabulary that this network was trained with"
        )
    return tokenizer


def _load_tensors(path: Path) -> Mapping[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}): give the state dict's file") from error
    except Exception as error:  # a damaged pickle can raise any error
        raise ModelError(f"{path}: it is not a file of weights alone: save network.state_dict() again") from error
    match state:
        case Mapping() if all(isinstance(key, str) and isinstance(state[key], Tensor) for key in state):
            return state
    raise ModelError(f"{path}: it is not a state dict: save network.state_dict()")


def _words(document: Any) -> list[str]:
    match document:
        case dict():
            ids = document.values()
            if not all(type(i) is int for i in ids) or set(ids) != set(range(1, len(ids) + 1)):
                raise ValueError("its ids are not 1, 2, ... without a gap")
            words = sorted(document, key=document.__getitem__)
        case list():
            words = document
        case _:
            raise ValueError("it is neither an object nor a list")
    if not all(isinstance(word, str) for word in words) or len(set(words)) != len(words):
        raise ValueError("its words are not all different texts")
    return words

"""BERT's encoder (Devlin et al. 2019) with two heads: one predicts masked word pieces, one P(positive).

`read_encoder` reads any BERT in Hugging Face's layout. It is written for all-MiniLM-L6-v2 (Wang et al. 2020; 6 layers
of 384, 22 million weights), the largest one that is published as a Python package.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from training.errors import DatasetError

PADDING, START, END, MASK = 0, 101, 102, 103  # ids in BERT's vocabulary; word pieces have higher ids


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Sizes, named as in a checkpoint's config.json."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int
    hidden_dropout_prob: float


class Layer(nn.Module):
    """Attention and a perceptron, each added to its input and normalised afterwards."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.heads, self.dropout = config.num_attention_heads, config.hidden_dropout_prob
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.out = nn.Linear(config.hidden_size, config.hidden_size)
        self.attention_norm = nn.LayerNorm(config.hidden_size, 1e-12)
        self.inner = nn.Linear(config.hidden_size, config.intermediate_size)
        self.outer = nn.Linear(config.intermediate_size, config.hidden_size)
        self.output_norm = nn.LayerNorm(config.hidden_size, 1e-12)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """(B, T, H) to (B, T, H); `seen` (B, 1, 1, T) bool: false for padding."""
        batch, width, _ = x.shape
        q, k, v = self.query_key_value(x).view(batch, width, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        heads = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, dropout_p=dropout)
        attended = self.out(heads.transpose(1, 2).reshape(batch, width, -1))
        x = self.attention_norm(x + functional.dropout(attended, self.dropout, self.training))
        y = self.outer(functional.gelu(self.inner(x)))
        normed: Tensor = self.output_norm(x + functional.dropout(y, self.dropout, self.training))
        return normed


class Encoder(nn.Module):
    """Reads BERT's word pieces, (B, T) int64, padded with 0 on the right; T at most `max_position_embeddings`."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        self.positions = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, 1e-12)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.guess = nn.Sequential(
            nn.Linear(config.hidden_size, config.hidden_size), nn.GELU(), nn.LayerNorm(config.hidden_size, 1e-12)
        )
        self.guess_bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.head = nn.Linear(2 * config.hidden_size, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def states(self, ids: Tensor) -> Tensor:
        """The states (B, T, H) of ids (B, T)."""
        seen = (ids != PADDING)[:, None, None, :]
        x: Tensor = self.dropout(self.norm(self.words(ids) + self.positions.weight[: ids.size(1)]))
        for layer in self.layers:
            x = layer(x, seen)
        return x

    def piece_logits(self, states: Tensor) -> Tensor:
        """Logits (N, vocabulary) of the pieces at N states (N, H); the output shares the input's vectors."""
        return functional.linear(self.guess(states), self.words.weight, self.guess_bias)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (B,) of P(positive), of ids (B, T)."""
        states, seen = self.states(ids), (ids != PADDING).unsqueeze(2)
        mean = (states * seen).sum(1) / seen.sum(1)
        logits: Tensor = self.head(torch.cat([states[:, 0], mean], 1))
        return logits.squeeze(1)


def read_encoder(checkpoint: Path) -> Encoder:
    """The encoder of `checkpoint`'s config.json and model.safetensors, with new heads. Raises DatasetError."""
    try:
        sizes = json.loads((checkpoint / "config.json").read_text("utf-8"))
        config = EncoderConfig(**{field.name: sizes[field.name] for field in fields(EncoderConfig)})
        given = {
            name.removeprefix("bert."): weight.float()
            for name, weight in load_file(checkpoint / "model.safetensors").items()
        }
        encoder = Encoder(config)
        encoder.load_state_dict({**encoder.state_dict(), **_renamed(given, config)})
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise DatasetError(
            f"{checkpoint} holds no readable BERT ({type(error).__name__}: {error}): give the directory of one, with "
            "config.json, model.safetensors and tokenizer.json"
        ) from error
    return encoder


def _renamed(given: Mapping[str, Tensor], config: EncoderConfig) -> dict[str, Tensor]:
    kind = given["embeddings.token_type_embeddings.weight"][0]  # all texts are of the first kind
    state = {
        "words.weight": given["embeddings.word_embeddings.weight"],
        "positions.weight": given["embeddings.position_embeddings.weight"] + kind,
    }
    copied = {"norm": "embeddings.LayerNorm"}
    for number in range(config.num_hidden_layers):
        theirs, ours = f"encoder.layer.{number}", f"layers.{number}"
        parts = [f"{theirs}.attention.self.{part}" for part in ("query", "key", "value")]
        for leaf in ("weight", "bias"):
            state[f"{ours}.query_key_value.{leaf}"] = torch.cat([given[f"{part}.{leaf}"] for part in parts])
        copied |= {
            f"{ours}.out": f"{theirs}.attention.output.dense",
            f"{ours}.attention_norm": f"{theirs}.attention.output.LayerNorm",
            f"{ours}.inner": f"{theirs}.intermediate.dense",
            f"{ours}.outer": f"{theirs}.output.dense",
            f"{ours}.output_norm": f"{theirs}.output.LayerNorm",
        }
    return state | {
        f"{ours}.{leaf}": given[f"{theirs}.{leaf}"] for ours, theirs in copied.items() for leaf in ("weight", "bias")
    }

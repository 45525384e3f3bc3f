"""The production network: one bidirectional LSTM layer, pooled, with a linear head.

A row's logit does not depend on the other rows of its batch. PackedSequence would ensure that too, but without the
fused CPU kernel. Here the backward direction reads each row reversed within its own length, so padding comes after
the last word in both directions and cannot affect a pooled state.
"""

import torch
from torch import Tensor, nn

from model.network_config import NetworkConfig

PADDING_ID = 0
UNKNOWN_ID = 1


class BiLstmClassifier(nn.Module):
    """Logits of P(positive) of right-padded reviews."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_dim, padding_idx=PADDING_ID)
        self.forward_lstm = nn.LSTM(config.embedding_dim, config.hidden_dim, batch_first=True)
        self.backward_lstm = nn.LSTM(config.embedding_dim, config.hidden_dim, batch_first=True)
        # All words share the mask of a channel, so a review cannot restore a channel by repeating a word.
        self.embedding_dropout = nn.Dropout1d(config.embedding_dropout)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(2 * 3 * config.hidden_dim, 1)  # two directions, three poolings

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B,), float32, of ids (B, T) int64, right-padded with 0; lengths (B,) int64.

        A length of 0 counts as one padding: the result is finite but has no meaning.
        """
        lengths = lengths.clamp(min=1)
        steps = torch.arange(ids.size(1), device=ids.device)  # (T,)
        padding = steps >= lengths.unsqueeze(1)  # (B, T)
        if self.training and self.config.word_dropout > 0:
            ids = self._drop_words(ids)
        words = self.embedding(ids)  # (B, T, E)
        words = self.embedding_dropout(words.transpose(1, 2)).transpose(1, 2)
        reversed_words = _reverse_within(words, lengths, steps)
        pooled = [
            _pool(self.forward_lstm(words)[0], lengths, padding),
            _pool(self.backward_lstm(reversed_words)[0], lengths, padding),
        ]
        logits: Tensor = self.head(self.dropout(torch.cat(pooled, dim=1)))  # of (B, 6 H)
        return logits.squeeze(1).float()

    def _drop_words(self, ids: Tensor) -> Tensor:
        dropped = torch.rand(ids.shape, device=ids.device) < self.config.word_dropout
        return ids.masked_fill(dropped & (ids != PADDING_ID), UNKNOWN_ID)


def _reverse_within(words: Tensor, lengths: Tensor, steps: Tensor) -> Tensor:
    """Reverse the first `length` steps of each row of (B, T, E); padding stays behind them."""
    batch_size, width, _ = words.shape
    last = lengths.unsqueeze(1) - 1  # (B, 1)
    source = torch.where(steps <= last, last - steps, steps)  # (B, T)
    rows = torch.arange(batch_size, device=words.device).unsqueeze(1) * width
    return words.flatten(0, 1).index_select(0, (source + rows).flatten()).view_as(words)


def _pool(states: Tensor, lengths: Tensor, padding: Tensor) -> Tensor:
    """Mean, maximum and last of the first `length` states of (B, T, H): (B, 3 H)."""
    hidden_dim = states.size(2)
    unused = padding.unsqueeze(2)  # (B, T, 1)
    mean = states.masked_fill(unused, 0.0).sum(1, dtype=torch.float32) / lengths.unsqueeze(1)
    maximum = states.masked_fill(unused, -torch.inf).amax(1)
    last = states.gather(1, (lengths - 1).view(-1, 1, 1).expand(-1, 1, hidden_dim)).squeeze(1)
    return torch.cat([mean, maximum.float(), last.float()], dim=1)

"""Both networks on packed rows: padded, reversed and pooled on the device that computes.

The same numbers as `model.network` and `model.sentiment_rnn`, arranged for a GPU. Time comes first, as cuDNN expects,
and only ids, not their embeddings, are reversed. The operations depend only on the shape, never on the rows, so that
they can be recorded as a CUDA graph.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from model.engines.packing import states_after_padding
from model.engines.shapes import Shape
from model.network import PADDING_ID, BiLstmClassifier
from model.networks import Network
from model.sentiment_rnn import SentimentRNN

# Packed rows to logits (rows,), float32, uncalibrated. The rows are int32 on the network's device: the length of each
# row of the shape, 0 for a missing one (its logit has no meaning); then their ids without padding. The rest is ignored.
PackedNetwork = Callable[[Tensor, Shape], Tensor]


def pack_network(network: Network, *, max_tokens: int, device: torch.device, dtype: torch.dtype) -> PackedNetwork:
    """Take over `network`, which must be on the CPU, in fp32 and in evaluation mode."""
    if isinstance(network, SentimentRNN):
        return _PackedSentimentRnn(network, max_tokens, device, dtype)
    return _PackedBiLstm(network.to(device, dtype))


class _Rows:
    """The positions of the ids of a shape's rows."""

    def __init__(self, packed: Tensor, shape: Shape) -> None:
        self._packed = packed
        self.lengths = packed[: shape.rows].long()  # (B,)
        self.starts = shape.rows + self.lengths.cumsum(0) - self.lengths  # (B,), positions in `packed`
        self.steps = torch.arange(shape.length, device=packed.device).unsqueeze(1)  # (T, 1)

    def ids(self, positions: Tensor, present: Tensor) -> Tensor:
        """The ids at `positions` (T, B), padding where `present` is false."""
        return torch.where(present, self._packed.take(torch.where(present, positions, 0)), PADDING_ID)


class _PackedBiLstm:
    def __init__(self, network: BiLstmClassifier) -> None:
        self._network = network
        self._head = network.head.float()  # pooled states are summed in fp32; the last product costs nothing

    def __call__(self, packed: Tensor, shape: Shape) -> Tensor:
        rows = _Rows(packed, shape)
        present = rows.steps < rows.lengths  # (T, B)
        there = rows.ids(rows.starts + rows.steps, present)
        back = rows.ids(rows.starts + rows.lengths - 1 - rows.steps, present)
        forward, backward = self._network.forward_lstm, self._network.backward_lstm
        directions = [(forward, there), (backward, back)]
        pooled = [_pool(self._states(lstm, ids), rows.lengths, present) for lstm, ids in directions]
        logits: Tensor = self._head(torch.cat(pooled, dim=1))
        return logits.squeeze(1)

    def _states(self, lstm: nn.LSTM, ids: Tensor) -> Tensor:
        """The states (T, B, H) of ids (T, B)."""
        states: Tensor = lstm(self._network.embedding(ids).transpose(0, 1))[0]
        return states.transpose(0, 1)


def _pool(states: Tensor, lengths: Tensor, present: Tensor) -> Tensor:
    """Mean, maximum and last of the first `length` states of (T, B, H): (B, 3 H).

    `torch.where` reads the states once, where `masked_fill` copies them first.
    """
    words = present.unsqueeze(2)  # (T, B, 1)
    mean = torch.where(words, states, 0.0).sum(0, dtype=torch.float32) / lengths.clamp(min=1).unsqueeze(1)
    maximum = torch.where(words, states, -1.0).amax(0)  # no state is below -1
    at_last = (lengths - 1).clamp(min=0).view(1, -1, 1).expand(1, -1, states.size(2))
    return torch.cat([mean, maximum.float(), states.gather(0, at_last).squeeze(0).float()], dim=1)


class _PackedSentimentRnn:
    """Rows start from the state after the zeros that all rows of the shape begin with, as in `torch_engine`."""

    def __init__(self, network: SentimentRNN, width: int, device: torch.device, dtype: torch.dtype) -> None:
        weights = {name: weight.numpy() for name, weight in network.state_dict().items()}
        after_zeros = torch.from_numpy(states_after_padding(weights, "lstm", width)).to(device, dtype)
        self._after_zeros = after_zeros.unsqueeze(3)  # (width + 1, layers, 2, 1, H)
        self._network = network.to(device, dtype)
        self._fc = network.fc.float()
        self._width = width

    def __call__(self, packed: Tensor, shape: Shape) -> Tensor:
        rows = _Rows(packed, shape)
        zeros = shape.length - rows.lengths  # (B,)
        ids = rows.ids(rows.starts + rows.steps - zeros, rows.steps >= zeros)
        states = self._after_zeros[self._width - shape.length].expand(-1, -1, shape.rows, -1)
        initial = (states[:, 0].contiguous(), states[:, 1].contiguous())
        _, (hidden, _) = self._network.lstm(self._network.embedding(ids).transpose(0, 1), initial)
        logits: Tensor = self._fc(hidden[-1].float())  # the last time step of the last layer
        return logits[:, -1]

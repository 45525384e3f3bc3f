"""The reference network: embedding, stacked LSTM, sigmoid of the last time step.

Parameter names and arithmetic are those of the Udacity "Sentiment RNN" notebook, so its state dict loads unchanged.
"""

import torch
from torch import Tensor, nn

Hidden = tuple[Tensor, Tensor]  # hidden and cell state, each (n_layers, B, hidden_dim)


class SentimentRNN(nn.Module):
    """P(positive) of left-padded reviews; id 0 is padding, so `vocab_size` is the number of words + 1."""

    def __init__(
        self,
        vocab_size: int,
        output_size: int,
        embedding_dim: int,
        hidden_dim: int,
        n_layers: int,
        drop_prob: float = 0.5,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.n_layers = n_layers
        self.hidden_dim = hidden_dim

        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        # With one layer, dropout between layers has no effect, and torch would warn about it.
        between_layers = drop_prob if n_layers > 1 else 0.0
        self.lstm = nn.LSTM(embedding_dim, hidden_dim, n_layers, dropout=between_layers, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.fc = nn.Linear(hidden_dim, output_size)
        self.sig = nn.Sigmoid()

    def forward(self, x: Tensor, hidden: Hidden) -> tuple[Tensor, Hidden]:
        """Score ids (B, T), starting from `hidden`: P(positive) (B,) at the last step, and the state there."""
        batch_size = x.size(0)
        embedded = self.embedding(x.long())  # (B, T, embedding_dim)
        states, hidden = self.lstm(embedded, hidden)  # (B, T, hidden_dim)
        flat = self.dropout(states.reshape(-1, self.hidden_dim))  # (B * T, hidden_dim)
        probabilities = self.sig(self.fc(flat)).view(batch_size, -1)  # (B, T * output_size)
        return probabilities[:, -1], hidden

    def init_hidden(self, batch_size: int) -> Hidden:
        """Two tensors of zeros (n_layers, batch_size, hidden_dim), with the parameters' device and dtype."""
        weight = self.fc.weight
        zeros = weight.new_zeros(self.n_layers, batch_size, self.hidden_dim)
        return zeros, torch.zeros_like(zeros)

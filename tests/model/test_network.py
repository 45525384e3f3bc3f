"""The production network: what it computes, and that a row's score does not depend on other rows."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from model.network import UNKNOWN_ID, BiLstmClassifier
from model.network_config import NetworkConfig

CONFIG = NetworkConfig(vocab_size=30, embedding_dim=10, hidden_dim=12)
ROWS = st.lists(st.lists(st.integers(1, 29), min_size=1, max_size=25), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def network() -> BiLstmClassifier:
    torch.manual_seed(5)
    return BiLstmClassifier(CONFIG).eval()


def padded(rows: list[list[int]], extra: int = 0) -> tuple[Tensor, Tensor]:
    width = max(map(len, rows)) + extra
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    return ids, torch.tensor([len(row) for row in rows])


def with_packed_sequences(network: BiLstmClassifier, rows: list[list[int]]) -> Tensor:
    """The same network in another way: torch's own bidirectional LSTM on packed rows, pooled row by row."""
    lstm = nn.LSTM(CONFIG.embedding_dim, CONFIG.hidden_dim, batch_first=True, bidirectional=True)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    lstm.load_state_dict(
        {name: getattr(network.forward_lstm, name) for name in names}
        | {f"{name}_reverse": getattr(network.backward_lstm, name) for name in names}
    )
    ids, lengths = padded(rows)
    packed = pack_padded_sequence(network.embedding(ids), lengths, batch_first=True, enforce_sorted=False)
    states, _ = pad_packed_sequence(lstm(packed)[0], batch_first=True)
    logits = []
    for row, length in zip(states, lengths.tolist(), strict=True):
        forward, backward = row[:length].split(CONFIG.hidden_dim, dim=1)
        pooled = [forward.mean(0), forward.amax(0), forward[-1], backward.mean(0), backward.amax(0), backward[0]]
        logits.append(network.head(torch.cat(pooled)))
    return torch.cat(logits)


@given(rows=ROWS)
@settings(deadline=None, max_examples=50)
def test_it_equals_a_packed_bidirectional_lstm_with_three_poolings(
    network: BiLstmClassifier, rows: list[list[int]]
) -> None:
    with torch.inference_mode():
        torch.testing.assert_close(network(*padded(rows)), with_packed_sequences(network, rows), rtol=0, atol=1e-5)


@given(rows=ROWS, extra=st.integers(0, 20))
@settings(deadline=None, max_examples=50)
def test_a_rows_logit_depends_neither_on_other_rows_nor_on_the_padding(
    network: BiLstmClassifier, rows: list[list[int]], extra: int
) -> None:
    with torch.inference_mode():
        together = network(*padded(rows, extra))
        alone = torch.cat([network(*padded([row])) for row in rows])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_the_padding_is_never_read(network: BiLstmClassifier) -> None:
    ids, lengths = padded([[3, 4], [5, 6, 7, 8]])
    other = ids.clone()
    other[0, 2:] = 9
    with torch.inference_mode():
        torch.testing.assert_close(network(ids, lengths), network(other, lengths))


def test_a_row_without_tokens_has_a_finite_logit(network: BiLstmClassifier) -> None:
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)).isfinite().all()


def test_logits_are_float32_under_bfloat16_autocast(network: BiLstmClassifier) -> None:
    ids, lengths = padded([[3, 4, 5], [6]])
    with torch.inference_mode():
        exact = network(ids, lengths)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network(ids, lengths)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, rtol=0, atol=0.02)


def test_it_learns_in_bfloat16_autocast() -> None:
    torch.manual_seed(6)
    network = BiLstmClassifier(CONFIG)
    ids, lengths = padded([[3, 4, 5], [6, 7], [3, 8], [6]])
    labels = torch.tensor([1.0, 0.0, 1.0, 0.0])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    losses = []
    for _ in range(40):
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(ids, lengths)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_padding_learns_nothing() -> None:
    network = BiLstmClassifier(CONFIG)
    (gradient,) = torch.autograd.grad(network(*padded([[3, 4, 5], [6]])).sum(), network.embedding.weight)
    assert gradient[3:7].any(1).all()
    assert not gradient[0].any()


def test_only_training_drops_words_and_channels() -> None:
    network = BiLstmClassifier(NetworkConfig(vocab_size=30, embedding_dim=10, hidden_dim=12, word_dropout=1.0))
    ids, lengths = padded([[3, 4, 5]])
    network.eval()
    torch.testing.assert_close(network(ids, lengths), network(ids, lengths))
    assert not torch.equal(network(ids, lengths), network(torch.full_like(ids, UNKNOWN_ID), lengths))
    network.train()
    network.embedding_dropout.eval()
    network.dropout.eval()
    torch.testing.assert_close(network(ids, lengths), network(torch.full_like(ids, UNKNOWN_ID), lengths))

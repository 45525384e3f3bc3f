"""The reference network is the notebook's."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model.sentiment_rnn import SentimentRNN
from tests.model import notebook_numpy

VOCAB, EMBEDDING, HIDDEN, LAYERS = 50, 12, 16, 2


@pytest.fixture
def weights() -> dict[str, NDArray[np.float64]]:
    """A state dict as the notebook makes it: names and shapes."""
    rng = np.random.default_rng(3)
    shapes = {
        "embedding.weight": (VOCAB, EMBEDDING),
        "lstm.weight_ih_l0": (4 * HIDDEN, EMBEDDING),
        "lstm.weight_hh_l0": (4 * HIDDEN, HIDDEN),
        "lstm.bias_ih_l0": (4 * HIDDEN,),
        "lstm.bias_hh_l0": (4 * HIDDEN,),
        "lstm.weight_ih_l1": (4 * HIDDEN, HIDDEN),
        "lstm.weight_hh_l1": (4 * HIDDEN, HIDDEN),
        "lstm.bias_ih_l1": (4 * HIDDEN,),
        "lstm.bias_hh_l1": (4 * HIDDEN,),
        "fc.weight": (1, HIDDEN),
        "fc.bias": (1,),
    }
    return {name: rng.normal(0, 0.7, shape) for name, shape in shapes.items()}


@pytest.fixture
def network(weights: dict[str, NDArray[np.float64]]) -> SentimentRNN:
    network = SentimentRNN(VOCAB, 1, EMBEDDING, HIDDEN, LAYERS)
    network.load_state_dict({name: torch.tensor(w, dtype=torch.float32) for name, w in weights.items()})
    return network.eval()


def test_a_notebook_state_dict_gives_the_numbers_of_an_independent_computation(
    network: SentimentRNN, weights: dict[str, NDArray[np.float64]]
) -> None:
    ids = np.random.default_rng(4).integers(0, VOCAB, (7, 30))
    with torch.inference_mode():
        probabilities, _ = network(torch.from_numpy(ids), network.init_hidden(7))
    expected = notebook_numpy.probabilities(weights, ids)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(probabilities.numpy(), expected, rtol=0, atol=1e-5)


def test_the_state_dict_has_the_notebooks_names_and_no_others(
    network: SentimentRNN, weights: dict[str, NDArray[np.float64]]
) -> None:
    assert network.state_dict().keys() == weights.keys()


def test_its_parts_are_those_of_the_notebook(network: SentimentRNN) -> None:
    assert (network.output_size, network.n_layers, network.hidden_dim) == (1, LAYERS, HIDDEN)
    assert network.lstm.batch_first
    assert not network.lstm.bidirectional
    assert network.lstm.dropout == 0.5
    assert network.dropout.p == 0.3


def test_forward_returns_a_probability_a_row_and_the_state_of_each_layer(network: SentimentRNN) -> None:
    probabilities, (hidden, cell) = network(torch.ones(5, 9, dtype=torch.int64), network.init_hidden(5))
    assert probabilities.shape == (5,)
    assert hidden.shape == cell.shape == (LAYERS, 5, HIDDEN)


def test_only_the_last_of_several_outputs_is_returned() -> None:
    network = SentimentRNN(VOCAB, 3, EMBEDDING, HIDDEN, LAYERS).eval()
    ids = torch.randint(1, VOCAB, (4, 6))
    probabilities, _ = network(ids, network.init_hidden(4))
    states, _ = network.lstm(network.embedding(ids), network.init_hidden(4))
    torch.testing.assert_close(probabilities, network.sig(network.fc(states[:, -1]))[:, 2])


def test_a_text_read_in_two_parts_scores_as_in_one(network: SentimentRNN) -> None:
    ids = torch.randint(1, VOCAB, (3, 10))
    whole, _ = network(ids, network.init_hidden(3))
    _, state = network(ids[:, :4], network.init_hidden(3))
    rest, _ = network(ids[:, 4:], state)
    torch.testing.assert_close(rest, whole)


def test_ids_of_any_integer_type_are_accepted(network: SentimentRNN) -> None:
    ids = torch.randint(1, VOCAB, (2, 5))
    for dtype in (torch.int32, torch.uint8, torch.float32):
        torch.testing.assert_close(
            network(ids.to(dtype), network.init_hidden(2))[0], network(ids, network.init_hidden(2))[0]
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_init_hidden_is_zero_and_of_the_parameters_type_and_device(network: SentimentRNN, dtype: torch.dtype) -> None:
    network = network.to(dtype)
    for state in network.init_hidden(6):
        assert state.shape == (LAYERS, 6, HIDDEN)
        assert state.dtype == dtype
        assert state.device == network.fc.weight.device
        assert not state.any()


def test_hidden_and_cell_do_not_share_memory(network: SentimentRNN) -> None:
    hidden, cell = network.init_hidden(2)
    hidden.fill_(1)
    assert not cell.any()


def test_a_single_layer_is_built_without_a_warning() -> None:
    assert SentimentRNN(VOCAB, 1, EMBEDDING, HIDDEN, 1).lstm.num_layers == 1

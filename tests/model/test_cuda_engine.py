"""The engine for GPUs: the torch engine's numbers for any batch, and the right error for each failure.

Without a GPU the same code runs on the CPU, all but the recording of graphs.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from model.engines import cuda_engine
from model.engines.cuda_engine import CudaEngine
from model.engines.packed_networks import PackedNetwork, pack_network
from model.engines.packing import Ids, pack
from model.engines.shapes import SMALL_ROWS, UNMEASURED, Plan, Price, Shape, padded_lengths
from model.engines.torch_engine import TorchEngine
from model.errors import BatchFailed, EngineBroken, ModelError
from model.network import BiLstmClassifier
from model.network_config import NetworkConfig
from model.networks import Network
from model.sentiment_rnn import SentimentRNN
from tests.support.artifacts import louder

MAX_TOKENS = 100
WORDS = 50
CPU = torch.device("cpu")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
PROPERTY = settings(deadline=None, max_examples=30)
SEED = st.integers(0, 2**32 - 1)


def bilstm() -> Network:
    torch.manual_seed(1)
    return louder(BiLstmClassifier(NetworkConfig(vocab_size=WORDS, embedding_dim=16, hidden_dim=32))).eval()


def reference() -> Network:
    torch.manual_seed(2)
    return louder(SentimentRNN(WORDS, 1, 16, 32, 2)).eval()


NETWORKS = pytest.mark.parametrize("make", [bilstm, reference], scope="module")
DEVICES = pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, needs_cuda])], scope="module"
)


def cuda_engine_of(network: Network, device: str, precision: str = "fp32") -> CudaEngine:
    return CudaEngine(network, max_tokens=MAX_TOKENS, device=torch.device(device), precision=precision)


@pytest.fixture(scope="module")
def engine(make: Callable[[], Network], device: str) -> CudaEngine:
    return cuda_engine_of(make(), device)


@pytest.fixture(scope="module")
def expected(make: Callable[[], Network]) -> TorchEngine:
    return TorchEngine(make(), max_tokens=MAX_TOKENS, threads=1)


def rows_of(lengths: Sequence[int], seed: int = 0) -> list[Ids]:
    rng = np.random.default_rng(seed)
    return [rng.integers(1, WORDS, length).astype(np.int32) for length in lengths]


def probabilities(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 + 0.5 * np.tanh(0.5 * logits)


def assert_same(engine: CudaEngine, expected: TorchEngine, rows: Sequence[Ids]) -> None:
    found = probabilities(engine.logits(rows))
    np.testing.assert_allclose(found, probabilities(expected.logits(rows)), rtol=0, atol=engine.tolerance)


# The numbers


@NETWORKS
@DEVICES
class TestNumbers:
    @given(lengths=st.lists(st.integers(1, MAX_TOKENS), min_size=1, max_size=200), seed=SEED)
    @PROPERTY
    def test_a_batch_of_any_size_and_lengths_scores_as_on_the_cpu_in_the_order_given(
        self, engine: CudaEngine, expected: TorchEngine, lengths: list[int], seed: int
    ) -> None:
        assert_same(engine, expected, rows_of(lengths, seed))

    @pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 63, 64, 65, 127, 129, 1_000])
    @pytest.mark.parametrize("length", [1, 15, 16, 17, MAX_TOKENS - 1, MAX_TOKENS])
    def test_so_does_one_at_the_edge_of_a_shape(
        self, engine: CudaEngine, expected: TorchEngine, count: int, length: int
    ) -> None:
        assert_same(engine, expected, rows_of([length] * count))

    def test_one_word_scores_the_same_alone_and_beside_the_longest_rows(self, engine: CudaEngine) -> None:
        rows = rows_of([1, *[MAX_TOKENS] * 20])
        together, alone = probabilities(engine.logits(rows))[0], probabilities(engine.logits(rows[:1]))[0]
        assert together == pytest.approx(alone, abs=engine.tolerance)

    def test_different_rows_score_differently(self, engine: CudaEngine) -> None:
        assert np.ptp(probabilities(engine.logits(rows_of(range(1, 60))))) > 0.1

    def test_an_answer_is_not_changed_by_later_batches(self, engine: CudaEngine) -> None:
        first = engine.logits(rows_of([10] * 70, seed=1))
        kept = first.copy()
        engine.logits(rows_of([10] * 70, seed=2))
        assert first.tolist() == kept.tolist()

    def test_the_same_batch_scores_the_same_again(self, engine: CudaEngine) -> None:
        rows = rows_of(np.random.default_rng(3).integers(1, MAX_TOKENS, 300).tolist())
        first = engine.logits(rows)
        engine.logits(rows_of([5] * 64))
        np.testing.assert_allclose(engine.logits(rows), first, rtol=0, atol=1e-6)


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a device with little memory and no fixed cost per step."""
    plan = Plan(Price(step_s=0, token_s=1e-8), largest_tokens=10_000)
    monkeypatch.setattr(cuda_engine, "UNMEASURED", plan)
    monkeypatch.setattr(cuda_engine, "_measured", lambda *_: plan)


@NETWORKS
@DEVICES
@pytest.mark.usefixtures("small_groups")
def test_a_batch_larger_than_the_largest_group_is_scored_in_several(
    make: Callable[[], Network], device: str, expected: TorchEngine
) -> None:
    engine = cuda_engine_of(make(), device)
    lengths = np.random.default_rng(4).integers(1, MAX_TOKENS + 1, 2_000).tolist()
    assert_same(engine, expected, rows_of(lengths))
    assert_same(engine, expected, rows_of([MAX_TOKENS] * 500))


@NETWORKS
@DEVICES
def test_half_precision_stays_within_its_tolerance(
    make: Callable[[], Network], device: str, expected: TorchEngine
) -> None:
    engine = cuda_engine_of(make(), device, "fp16")
    assert engine.tolerance == 5e-3
    assert_same(engine, expected, rows_of(np.random.default_rng(5).integers(1, MAX_TOKENS + 1, 200).tolist()))


@NETWORKS
def test_what_follows_the_ids_is_not_read(make: Callable[[], Network]) -> None:
    network = pack_network(make(), max_tokens=MAX_TOKENS, device=CPU, dtype=torch.float32)
    rows, shape = rows_of([5, 3]), Shape(8, 32)
    packed = np.full(300, 2**31 - 1, np.int32)
    end = pack(rows, shape.rows, packed)
    with torch.inference_mode():
        with_more = network(torch.from_numpy(packed), shape)
        exact = network(torch.from_numpy(packed[:end]), shape)
    assert with_more.tolist() == exact.tolist()
    assert exact.isfinite().all()  # also of missing rows


# The caller


@DEVICES
def test_the_callers_torch_settings_are_left_alone(device: str) -> None:
    before = torch.get_num_threads(), torch.is_grad_enabled()
    stream = torch.cuda.current_stream() if device == "cuda" else None
    cuda_engine_of(bilstm(), device).logits(rows_of([3]))
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == before
    assert not torch.is_inference_mode_enabled()
    assert device == "cpu" or torch.cuda.current_stream() == stream


def test_it_describes_its_device() -> None:
    assert cuda_engine_of(bilstm(), "cpu").description == "torch cpu fp32, for tests"


# Failures


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> list[Exception | None]:
    """The errors that the next groups raise, in turn."""
    waiting: list[Exception | None] = []

    def pack_failing(network: Network, **how: Any) -> PackedNetwork:
        healthy = pack_network(network, **how)

        def compute(packed: Tensor, shape: Shape) -> Tensor:
            if waiting and (fault := waiting.pop(0)):
                raise fault
            return healthy(packed, shape)

        return compute

    monkeypatch.setattr(cuda_engine, "pack_network", pack_failing)
    return waiting


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize(
    ("fault", "expected", "message"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), BatchFailed, "no memory to score 500 reviews of up to 100"),
        (RuntimeError("shapes do not match"), BatchFailed, "torch could not score"),
        (torch.AcceleratorError("device-side assert"), EngineBroken, "restart the process"),
        (RuntimeError("CUDA error: unspecified launch failure"), EngineBroken, "restart the process"),
    ],
)
def test_a_failed_group_fails_the_batch_with_its_cause_and_the_next_batch_is_scored(
    faults: list[Exception | None], fault: Exception, expected: type[ModelError], message: str
) -> None:
    engine = cuda_engine_of(bilstm(), "cpu")
    rows = rows_of([MAX_TOKENS] * 500)
    before = engine.logits(rows)
    faults += [None, fault]
    with pytest.raises(expected, match=message) as caught:
        engine.logits(rows)
    assert caught.value.__cause__ is fault
    assert engine.logits(rows).tolist() == before.tolist()


def test_a_network_that_the_device_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(cuda_engine, "pack_network", full)
    with pytest.raises(EngineBroken, match="cannot be put on cpu: choose another device"):
        cuda_engine_of(bilstm(), "cpu")


# On a GPU


@pytest.mark.gpu
@needs_cuda
@NETWORKS
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
class TestOnAGpu:
    def test_the_first_call_measures_the_device(self, make: Callable[[], Network], precision: str) -> None:
        engine = cuda_engine_of(make(), "cuda", precision)
        assert engine.plan is None
        engine.logits(rows_of([3]))
        assert engine.plan is not None
        assert engine.plan != UNMEASURED
        assert engine.plan.largest_tokens > 64 * MAX_TOKENS
        assert engine.plan.cost_s(512, MAX_TOKENS) < 1

    def test_every_small_batch_is_replayed_from_a_graph(
        self, make: Callable[[], Network], precision: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = cuda_engine_of(make(), "cuda", precision)
        before = engine.logits(rows_of([3]))

        def computed(*_: object) -> Tensor:
            raise AssertionError("a small group was not replayed")

        monkeypatch.setattr(engine, "_network", computed)
        assert engine.logits(rows_of([3])).tolist() == before.tolist()
        for count in (1, 2, 8, 9, 64):
            for length in (1, 16, 17, MAX_TOKENS):
                assert len(engine.logits(rows_of([length] * count))) == count
        assert len(engine._graphs) == len(SMALL_ROWS) * len(padded_lengths(MAX_TOKENS))

    def test_graphs_that_share_memory_do_not_disturb_each_other(
        self, make: Callable[[], Network], precision: str, expected: TorchEngine, small_groups: None
    ) -> None:
        """Without a fixed cost per step, each length is a group, and all groups run at the same time."""
        del small_groups
        engine = cuda_engine_of(make(), "cuda", precision)
        assert_same(engine, expected, rows_of(list(range(1, MAX_TOKENS)), seed=6))

    def test_new_shapes_do_not_make_it_grow(self, make: Callable[[], Network], precision: str) -> None:
        engine = cuda_engine_of(make(), "cuda", precision)
        rng = np.random.default_rng(7)

        def score_many() -> int:
            for count in rng.integers(1, 3_000, 60):
                engine.logits(rows_of(rng.integers(1, MAX_TOKENS + 1, count).tolist()))
            return torch.cuda.memory_reserved()

        engine.logits(rows_of([MAX_TOKENS] * 3_000))
        before = score_many()
        assert score_many() <= 1.25 * before

    def test_a_second_engine_is_made_and_measured_while_the_first_scores(
        self, make: Callable[[], Network], precision: str, expected: TorchEngine
    ) -> None:
        """As when a model is reloaded under load."""
        engine = cuda_engine_of(make(), "cuda", precision)
        rows = rows_of(np.random.default_rng(8).integers(1, MAX_TOKENS + 1, 200).tolist())
        engine.logits(rows)
        others: list[CudaEngine] = []

        def make_another() -> None:
            others.append(cuda_engine_of(make(), "cuda", precision))
            others[-1].logits(rows)

        thread = threading.Thread(target=make_another)
        thread.start()
        while thread.is_alive():
            assert_same(engine, expected, rows)
        thread.join()
        assert_same(others[0], expected, rows)

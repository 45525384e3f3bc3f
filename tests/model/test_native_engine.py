"""The native engine: torch's numbers from both networks at every level of the processor, without side effects."""

import functools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from deploy.demo.sample import SAMPLE
from model.artifact import load_artifact
from model.artifacts import DEFAULT_ARTIFACT
from model.engines.native.binding import PRECISIONS, Kernel
from model.engines.native.weights import _to_int16
from model.engines.native_engine import NativeEngine
from model.engines.packing import Ids
from model.errors import EngineUnavailable, ModelError
from model.network import BiLstmClassifier
from model.network_config import AnyNetworkConfig, NetworkConfig, SentimentRnnConfig, Weights
from model.networks import Network, build_network
from tests.bench.texts import load_texts
from tests.support.native import CALLED, kernel

MAX_TOKENS = 40
# Small, odd and whole numbers of vectors; each a row of the matrix of tests.
CONFIGS: list[AnyNetworkConfig] = [
    NetworkConfig(vocab_size=3, embedding_dim=1, hidden_dim=1),
    NetworkConfig(vocab_size=30, embedding_dim=6, hidden_dim=8),
    NetworkConfig(vocab_size=50, embedding_dim=7, hidden_dim=21),
    NetworkConfig(vocab_size=60, embedding_dim=16, hidden_dim=128),
    SentimentRnnConfig(vocab_size=3, output_size=1, embedding_dim=1, hidden_dim=1, n_layers=1, drop_prob=0.0),
    SentimentRnnConfig(vocab_size=30, output_size=1, embedding_dim=6, hidden_dim=16, n_layers=2, drop_prob=0.5),
    SentimentRnnConfig(vocab_size=40, output_size=3, embedding_dim=9, hidden_dim=35, n_layers=3, drop_prob=0.5),
]

each_config = pytest.mark.parametrize("config", CONFIGS, ids=str)
each_level = pytest.mark.parametrize("level", CALLED)
each_precision = pytest.mark.parametrize("precision", PRECISIONS)
PROPERTY = settings(deadline=None, max_examples=25)


@functools.cache
def random_weights(config: AnyNetworkConfig, scale: float = 1.0) -> Weights:
    rng = np.random.default_rng(7)
    return {
        name: (scale * rng.normal(size=shape, scale=1.5 / np.sqrt(shape[-1]))).astype(np.float32)
        for name, shape in config.weight_shapes().items()
    }


@functools.cache
def engine(config: AnyNetworkConfig, level: str, precision: str, threads: int = 1) -> NativeEngine:
    weights = random_weights(config)
    return NativeEngine(weights, max_tokens=MAX_TOKENS, precision=precision, threads=threads, kernel=kernel(level))


def rows_of(config: AnyNetworkConfig, *, most: int = 60) -> st.SearchStrategy[list[Ids]]:
    """Any number of rows, so that tiles are empty, full and refilled; the ids follow from a seed."""
    lengths = st.lists(st.integers(1, MAX_TOKENS), min_size=1, max_size=most)
    return st.builds(random_rows, st.just(config), lengths, st.integers(0, 1000))


def random_rows(config: AnyNetworkConfig, lengths: list[int], seed: int = 0) -> list[Ids]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, config.vocab_size, length, np.int32) for length in lengths]


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return 0.5 + 0.5 * np.tanh(0.5 * logits)


@torch.inference_mode()
def torch_probability(network: Network, row: Ids) -> float:
    """The logit of one review alone, as the network's own module computes it."""
    ids = torch.from_numpy(row).long()
    if isinstance(network, BiLstmClassifier):
        return float(torch.sigmoid(network(ids.unsqueeze(0), torch.tensor([len(row)]))))
    padded = torch.cat([torch.zeros(MAX_TOKENS - len(row), dtype=torch.int64), ids])
    return float(network(padded.unsqueeze(0), network.init_hidden(1))[0])


# The numbers


@each_config
@each_level
@each_precision
def test_the_scores_are_torchs(config: AnyNetworkConfig, level: str, precision: str) -> None:
    native = engine(config, level, precision)
    network = build_network(config, random_weights(config))

    @given(rows=rows_of(config, most=12))
    @PROPERTY
    def check(rows: list[Ids]) -> None:
        expected = [torch_probability(network, row) for row in rows]
        np.testing.assert_allclose(sigmoid(native.logits(rows)), expected, rtol=0, atol=native.tolerance)

    check()


@each_config
@each_level
@each_precision
@pytest.mark.parametrize("threads", [1, 3])
def test_no_bit_of_a_score_depends_on_other_rows(
    config: AnyNetworkConfig, level: str, precision: str, threads: int
) -> None:
    alone = engine(config, level, precision)
    native = engine(config, level, precision, threads)

    @given(rows=rows_of(config))
    @PROPERTY
    def check(rows: list[Ids]) -> None:
        assert native.logits(rows).tolist() == [alone.logits([row])[0] for row in rows]

    check()


@each_config
def test_tiles_give_the_scores_of_avx512_to_the_last_bit(config: AnyNetworkConfig) -> None:
    tiles, vectors = engine(config, "amx", "int16"), engine(config, "avx512", "int16")

    @given(rows=rows_of(config))
    @PROPERTY
    def check(rows: list[Ids]) -> None:
        assert tiles.logits(rows).tolist() == vectors.logits(rows).tolist()

    check()


@each_level
@each_precision
def test_the_shipped_model_scores_real_reviews_as_torch_does(level: str, precision: str) -> None:
    artifact = load_artifact(DEFAULT_ARTIFACT)
    network = build_network(artifact.config.network, artifact.weights)
    native = NativeEngine(artifact.weights, max_tokens=400, precision=precision, threads=2, kernel=kernel(level))
    rows = [artifact.tokenizer.tokenize(text).ids for text in load_texts(SAMPLE, 60)]
    expected = [torch_probability(network, row) for row in rows]
    assert np.ptp(expected) > 0.9
    np.testing.assert_allclose(sigmoid(native.logits(rows)), expected, rtol=0, atol=native.tolerance)


@each_level
@each_precision
@pytest.mark.parametrize("config", [CONFIGS[2], CONFIGS[5]], ids=str)
def test_weights_so_large_that_every_gate_is_open_or_shut_give_numbers(
    config: AnyNetworkConfig, level: str, precision: str
) -> None:
    weights = random_weights(config, scale=1e4)
    native = NativeEngine(weights, max_tokens=MAX_TOKENS, precision=precision, kernel=kernel(level))
    network = build_network(config, weights)
    rows = random_rows(config, list(range(1, MAX_TOKENS + 1)))
    probabilities = sigmoid(native.logits(rows))
    assert np.isfinite(probabilities).all()
    if precision == "fp32":
        expected = [torch_probability(network, row) for row in rows]
        assert np.mean(np.abs(probabilities - expected) < 1e-5) > 0.8  # a gate at its threshold may go either way


@each_level
@each_precision
@pytest.mark.parametrize("config", [CONFIGS[2], CONFIGS[5]], ids=str)
def test_a_weight_that_is_not_a_number_gives_a_score_that_is_not_a_number(
    config: AnyNetworkConfig, level: str, precision: str
) -> None:
    for name, weight in random_weights(config).items():
        spoilt = weight.copy()
        spoilt[..., -1] = np.nan
        native = NativeEngine(
            {**random_weights(config), name: spoilt}, max_tokens=MAX_TOKENS, precision=precision, kernel=kernel(level)
        )
        assert not np.isfinite(native.logits(random_rows(config, [3, 9]))).any(), name


@given(
    scale=st.floats(1e-6, 1e6),
    inputs=st.integers(1, 256).map(lambda pairs: 2 * pairs),
    seed=st.integers(0, 1000),
    signs=st.booleans(),
)
@PROPERTY
def test_no_sum_of_integer_products_can_overflow_and_no_weight_is_lost(
    scale: float, inputs: int, seed: int, signs: bool
) -> None:
    rng = np.random.default_rng(seed)
    weight = (scale * rng.standard_t(2, size=(4, 3, inputs))).astype(np.float32)
    whole, worth = _to_int16(np.abs(weight) if signs else weight)
    assert np.abs(whole.astype(np.int64)).sum(axis=2).max() * 8192 < 2**31
    restored = whole.astype(np.float64) * (worth.astype(np.float64) * 8192)[:, :, np.newaxis]
    error = np.abs(restored - (np.abs(weight) if signs else weight))
    assert (error.max(axis=2) <= 0.51 * worth * 8192 + 1e-6 * np.abs(weight).max(axis=2)).all()


def test_weights_that_are_all_zero_are_packed_without_a_warning() -> None:
    whole, worth = _to_int16(np.zeros((4, 8, 6), np.float32))
    assert not whole.any()
    assert np.isfinite(worth).all()


@each_level
def test_clang_compiles_it_to_the_same_scores(level: str) -> None:
    config = CONFIGS[2]
    by_clang = NativeEngine(
        random_weights(config), max_tokens=MAX_TOKENS, threads=1, kernel=kernel(level, compiler="clang++")
    )
    rows = random_rows(config, list(range(1, MAX_TOKENS + 1)))
    by_gcc = engine(config, level, "int16")
    np.testing.assert_allclose(by_clang.logits(rows), by_gcc.logits(rows), rtol=0, atol=1e-6)


# Side effects


@each_precision
def test_many_threads_may_compute_at_once(precision: str) -> None:
    config = CONFIGS[2]
    native = engine(config, "avx2", precision, threads=2)
    batches = [random_rows(config, list(range(1, 30)), seed) for seed in range(20)]
    expected = [native.logits(batch).tolist() for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        assert [logits.tolist() for logits in pool.map(native.logits, batches * 3)] == expected * 3


def test_the_callers_denormal_numbers_are_left_alone() -> None:
    config = CONFIGS[1]
    engine(config, "avx2", "fp32").logits(random_rows(config, [5]))
    assert np.float32(1e-40) * np.float32(1) > 0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([np.array([1, 30], np.int32)], "ids must be from 0 to 29, these are 1 to 30"),
        ([np.array([-1, 3], np.int32)], "ids must be from 0 to 29, these are -1 to 3"),
        ([np.array([3], np.int32), np.array([], np.int32)], "from 1 to 40 ids, these have 0 to 1"),
        ([np.ones(41, np.int32)], "from 1 to 40 ids, these have 41 to 41"),
        ([np.ones((2, 2), np.int32)], "rows must be vectors of ids"),
    ],
)
def test_rows_that_would_lead_out_of_memory_are_refused(rows: list[Ids], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine(CONFIGS[1], "avx2", "fp32").logits(rows)


def test_ids_of_another_type_are_refused() -> None:
    with pytest.raises(TypeError, match="int64"):
        engine(CONFIGS[1], "avx2", "fp32").logits([np.array([1, 2])])


def test_weights_of_different_sizes_are_refused() -> None:
    weights = dict(random_weights(CONFIGS[1]))
    wider = random_weights(NetworkConfig(vocab_size=30, embedding_dim=6, hidden_dim=64))
    weights |= {name: weight for name, weight in wider.items() if name.startswith("backward")}
    with pytest.raises(ValueError, match="units"):
        NativeEngine(weights, max_tokens=MAX_TOKENS, kernel=kernel("avx2"))


def test_rows_that_step_over_memory_are_read_as_they_are() -> None:
    config = CONFIGS[1]
    row = random_rows(config, [20])[0]
    native = engine(config, "avx2", "fp32")
    assert native.logits([row[::2]]) == native.logits([row[::2].copy()])


def test_it_describes_its_device() -> None:
    native = engine(CONFIGS[1], "avx2", "int16", threads=3)
    assert native.description == "native avx2 int16, 3 threads"
    assert native.tolerance == 1e-3


@pytest.mark.parametrize(("precision", "level"), [("int16", "amx"), ("fp32", "avx512")])
def test_it_names_the_level_that_computes(precision: str, level: str) -> None:
    assert engine(CONFIGS[1], "amx", precision).description == f"native {level} {precision}, 1 threads"


# Where it is not available


def test_a_precision_that_it_does_not_have_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(ModelError, match="precision 'fp16' is not known; the choices are fp32, int16"):
        NativeEngine(random_weights(CONFIGS[1]), max_tokens=MAX_TOKENS, precision="fp16")


def test_a_level_that_the_processor_lacks_is_refused_with_those_that_it_has() -> None:
    kernel("avx2")
    with pytest.raises(EngineUnavailable, match="level 'abacus' is not available here; the choices are avx2"):
        Kernel("abacus")


def test_a_kernel_that_was_not_compiled_is_reported_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.engines.native.binding.EXTENSION_SUFFIXES", [".absent"])
    with pytest.raises(EngineUnavailable, match=r"install a C\+\+ compiler"):
        Kernel()


def test_a_kernel_that_cannot_be_loaded_is_reported_with_what_to_do(tmp_path: Path) -> None:
    broken = tmp_path / "kernel.so"
    broken.write_text("no machine code")
    with pytest.raises(EngineUnavailable, match=r"cannot be loaded .*: install again, or choose the engine torch"):
        Kernel(path=broken)

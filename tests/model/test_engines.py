"""Loading a predictor: which choices are accepted or refused, and that all engines give the same scores."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deploy.demo.sample import read_sample
from model.artifact import Artifact
from model.artifacts import DEFAULT_ARTIFACT
from model.engines import load_predictor
from model.engines.choice import WAYS
from model.engines.gpu import gpu_in_sight
from model.engines.native import binding
from model.errors import ArtifactError, EngineUnavailable, ModelError
from model.predictor import Predictor, score_texts

REVIEWS = 300
EVERY_WAY = [(way.engine, way.device, precision) for way in WAYS for precision in way.precisions]
SCORING = """
import sys
from model.artifacts import DEFAULT_ARTIFACT
from model.engines import load_predictor
from model.predictor import Predictor, score_texts
predictor = load_predictor(DEFAULT_ARTIFACT, engine={engine!r}, device="cpu")
predictor.warm_up()
print(predictor.info.engine, score_texts(predictor, ["A wonderful film."]).probabilities[0])
sys.exit("torch" in sys.modules)
"""


@pytest.fixture(scope="module")
def reviews() -> list[str]:
    """Real reviews."""
    return [review.text for review in read_sample()[:REVIEWS]]


@pytest.fixture(scope="module")
def expected(reviews: list[str]) -> NDArray[np.float32]:
    """Torch's scores in fp32 on the CPU."""
    return score_texts(load_predictor(DEFAULT_ARTIFACT, engine="torch", device="cpu"), reviews).probabilities


def loaded(**choice: str) -> Predictor:
    """Return the predictor of the shipped model, or skip the test where the engine is not available."""
    try:
        return load_predictor(DEFAULT_ARTIFACT, **choice)  # type: ignore[arg-type]  # no test sets the threads
    except EngineUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("engine", "device", "precision"), EVERY_WAY)
def test_every_engine_gives_real_reviews_the_same_scores(
    engine: str, device: str, precision: str, reviews: list[str], expected: NDArray[np.float32]
) -> None:
    predictor = loaded(engine=engine, device=device, precision=precision)
    difference = np.abs(score_texts(predictor, reviews).probabilities - expected)
    assert difference.max() <= predictor.info.tolerance


@pytest.mark.parametrize(("engine", "device", "precision"), EVERY_WAY)
def test_batches_computed_at_once_have_the_scores_that_each_has_alone(
    engine: str, device: str, precision: str, reviews: list[str]
) -> None:
    predictor = loaded(engine=engine, device=device, precision=precision)
    batches = [predictor.tokenize(reviews[begin : begin + 30]) for begin in range(0, REVIEWS, 30)]
    alone = [predictor.predict(batch).probabilities for batch in batches]
    with ThreadPoolExecutor(predictor.info.batches_at_once) as threads:
        at_once = [found.probabilities for found in threads.map(predictor.predict, batches)]
    np.testing.assert_allclose(at_once, alone, rtol=0, atol=2 * predictor.info.tolerance)


@pytest.mark.skipif(sys.platform != "linux", reason="a thread has a priority of its own on Linux")
@pytest.mark.parametrize("engine", ["torch", "onnx", "native"])
def test_an_engine_made_by_a_thread_of_low_priority_has_normal_priority(engine: str) -> None:
    def make() -> Predictor:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        return loaded(engine=engine, device="cpu")

    before = set(threading.enumerate())
    with ThreadPoolExecutor(1, thread_name_prefix="maker") as maker:
        predictor = maker.submit(make).result()
    score_texts(predictor, ["A fine film.", "A poor one."])
    lanes = [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("lane-")]
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    assert all(os.getpriority(os.PRIO_PROCESS, lane.native_id or 0) == own for lane in lanes if lane.is_alive())
    assert lanes


@pytest.mark.parametrize("engine", ["onnx", "native"])
def test_torch_is_not_imported_by_an_engine_that_does_not_need_it(engine: str) -> None:
    loaded(engine=engine)
    subprocess.run([sys.executable, "-c", SCORING.format(engine=engine)], check=True, timeout=120)


def without_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the kernel had not been compiled when the worker was installed."""
    monkeypatch.setattr(binding, "EXTENSION_SUFFIXES", [])


def test_auto_takes_the_first_available_engine_and_says_why(bilstm: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    without_compiler(monkeypatch)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    info = load_predictor(bilstm.directory, device="cpu").info
    assert info.engine.startswith("torch cpu fp32")
    assert "the engine onnx needs onnxruntime: pip install 'sentiment-worker[cpu]'" in info.why


def test_an_engine_that_is_not_installed_is_refused_with_what_to_install(
    bilstm: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match=r"the engine torch needs torch: pip install 'sentiment-worker\[torch\]', or"):
        load_predictor(bilstm.directory, engine="torch", device="cpu")


def test_without_any_engine_all_are_named(bilstm: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    without_compiler(monkeypatch)
    for module in ("onnxruntime", "torch"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModelError, match=r"native.*onnx.*torch"):
        load_predictor(bilstm.directory, device="cpu")


@pytest.mark.skipif(gpu_in_sight(), reason="there may be a CUDA device")
def test_cuda_is_refused_where_there_is_none(bilstm: Artifact) -> None:
    with pytest.raises(ModelError, match="torch finds no CUDA device"):
        load_predictor(bilstm.directory, device="cuda")


def test_threads_below_one_are_refused(bilstm: Artifact) -> None:
    with pytest.raises(ModelError, match="threads must be at least 1, but is 0"):
        load_predictor(bilstm.directory, threads=0)


def test_a_missing_artifact_is_reported_as_missing(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such directory"):
        load_predictor(tmp_path / "absent")


def test_a_gpu_is_in_sight_where_its_driver_has_left_a_sign(tmp_path: Path) -> None:
    (tmp_path / "nvidiactl").touch()
    assert gpu_in_sight([str(tmp_path / "absent"), str(tmp_path / "nvidiactl")])
    assert not gpu_in_sight([str(tmp_path / "absent")])

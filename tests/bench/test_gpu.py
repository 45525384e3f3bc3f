"""The benchmark for GPUs says what is missing, and measures every case."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from model.artifact import Artifact
from tests.bench import gpu
from tests.bench.gpu import Case, make_cases, measure
from tests.support.artifacts import tiny_bilstm, tiny_reference


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_it_says_so_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["gpu", "--out", str(tmp_path / "figures.json")])
    assert gpu.main() == 1
    assert "error: torch finds no CUDA device" in capsys.readouterr().err
    assert not (tmp_path / "figures.json").exists()


@pytest.mark.parametrize("make", [tiny_bilstm, tiny_reference])
def test_every_case_is_measured_in_each_round_and_has_its_baseline_there(
    make: Callable[[Path], Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "BATCHES", (1, 16))
    artifact = make(tmp_path / "artifact")
    cases, engines = make_cases(artifact, ["good film", "", "bad"] * 20, torch.device("cpu"))
    rounds = measure(cases, 2)
    assert len(rounds) == 2
    for rates in rounds:
        assert set(rates) == set(cases)
        assert min(rates.values()) > 0
        assert {case.baseline for case in cases.values()} <= set(rates)
    assert engines["fp32"]["largest difference of a probability"] < 1e-5
    assert engines["fp16"]["largest difference of a probability"] < 5e-3


def test_a_small_batch_takes_few_reviews_and_a_large_one_all() -> None:
    taken: list[int] = []

    def score(some: Sequence[str]) -> None:
        taken.append(len(some))

    for batch in (1, 4096):
        Case(score, ["good"] * 10_000, batch, "").rate()
    assert taken == [1] * gpu.MOST_BATCHES + [4096, 4096, 1808]

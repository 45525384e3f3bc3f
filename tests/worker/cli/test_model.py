"""`sentiment-worker model`: artifacts are inspected, verified, compared, and imported from a notebook's files."""

import json
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

import model
from model.artifact import load_artifact
from model.engines import load_predictor
from model.predictor import score_texts
from model.sentiment_rnn import SentimentRNN
from tests.model import notebook_numpy
from tests.support.stage import save_tiny_artifact
from tests.support.traffic import WORDS
from worker.cli import main
from worker.errors import ModelUnusable

VOCAB_TO_INT = {"the": 1, "film": 2, "was": 3, "good": 4, "bad": 5}
TEXTS = ["The film was GOOD!", "bad, bad film.", "good " * 250]


@pytest.fixture
def network() -> SentimentRNN:
    torch.manual_seed(9)
    return SentimentRNN(len(VOCAB_TO_INT) + 1, 1, 6, 8, 2)


@pytest.fixture
def state_dict(network: SentimentRNN, tmp_path: Path) -> Path:
    path = tmp_path / "state_dict.pt"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def vocab(tmp_path: Path) -> Path:
    path = tmp_path / "vocab.json"
    path.write_text(json.dumps(VOCAB_TO_INT))
    return path


def run_import(state_dict: Path, vocab: Path, out: Path, *more: str) -> Result:
    return CliRunner().invoke(
        main, ["model", "import", "--state-dict", str(state_dict), "--vocab", str(vocab), "--out", str(out), *more]
    )


# A notebook's files


def test_an_imported_model_gives_the_notebooks_numbers(
    network: SentimentRNN, state_dict: Path, vocab: Path, tmp_path: Path
) -> None:
    result = run_import(state_dict, vocab, tmp_path / "out")
    assert result.exit_code == 0, result.output
    rows = [[VOCAB_TO_INT[word] for word in notebook_numpy.words(text)] for text in TEXTS]
    weights = {name: weight.double().numpy() for name, weight in network.state_dict().items()}
    expected = notebook_numpy.probabilities(weights, notebook_numpy.pad_features(rows, 200))
    scores = score_texts(load_predictor(tmp_path / "out", device="cpu"), TEXTS).probabilities
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)


def test_a_vocabulary_may_be_a_list_in_the_order_of_ids(state_dict: Path, vocab: Path, tmp_path: Path) -> None:
    as_list = tmp_path / "list.json"
    as_list.write_text(json.dumps(list(VOCAB_TO_INT)))
    assert run_import(state_dict, vocab, tmp_path / "a").exit_code == 0
    assert run_import(state_dict, as_list, tmp_path / "b").exit_code == 0
    a, b = load_artifact(tmp_path / "a"), load_artifact(tmp_path / "b")
    assert a.tokenizer.to_json() == b.tokenizer.to_json()


def test_the_order_in_which_the_vocabulary_is_written_does_not_matter(
    state_dict: Path, vocab: Path, tmp_path: Path
) -> None:
    vocab.write_text(json.dumps(dict(reversed(VOCAB_TO_INT.items()))))
    assert run_import(state_dict, vocab, tmp_path / "out").exit_code == 0
    assert load_artifact(tmp_path / "out").tokenizer.to_json()["words"] == list(VOCAB_TO_INT)


@pytest.mark.parametrize("layers", [1, 3])
def test_sizes_are_read_from_the_shapes(layers: int, vocab: Path, tmp_path: Path) -> None:
    network = SentimentRNN(len(VOCAB_TO_INT) + 1, 2, 5, 7, layers)
    torch.save(network.state_dict(), tmp_path / "state.pt")
    assert run_import(tmp_path / "state.pt", vocab, tmp_path / "out").exit_code == 0
    imported = load_artifact(tmp_path / "out").weights
    assert {name: weight.shape for name, weight in imported.items()} == {
        name: weight.shape for name, weight in network.state_dict().items()
    }


def test_name_version_and_width_are_the_users(state_dict: Path, vocab: Path, tmp_path: Path) -> None:
    options = ("--name", "films", "--version", "2.1", "--max-tokens", "50")
    assert run_import(state_dict, vocab, tmp_path / "out", *options).exit_code == 0
    artifact = load_artifact(tmp_path / "out")
    assert (artifact.config.name, artifact.config.version) == ("films", "2.1")
    assert artifact.tokenizer.max_tokens == 50
    assert artifact.card.startswith("# films 2.1\n")


def test_the_card_claims_only_what_the_import_knows(state_dict: Path, vocab: Path, tmp_path: Path) -> None:
    run_import(state_dict, vocab, tmp_path / "out")
    card = load_artifact(tmp_path / "out").card
    assert "unknown to this program" in card
    assert str(tmp_path) not in card


# What is refused


def test_without_torch_the_error_says_what_to_install(
    state_dict: Path, vocab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("notebook", "networks", "network", "sentiment_rnn"):
        monkeypatch.delitem(sys.modules, f"model.{module}", raising=False)
        monkeypatch.delattr(model, module, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    result = run_import(state_dict, vocab, tmp_path / "out")
    assert result.exit_code == ModelUnusable.exit_code
    assert "torch is not installed: `pip install 'sentiment-worker[torch]'`" in result.output


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_state_dict_is_not_run(vocab: Path, tmp_path: Path) -> None:
    for save in (torch.save, lambda bomb, path: path.write_bytes(pickle.dumps(bomb))):
        save(Bomb(tmp_path / "exploded"), tmp_path / "bomb.pt")
        result = run_import(tmp_path / "bomb.pt", vocab, tmp_path / "out")
        assert result.exit_code == 6
        assert "save network.state_dict() again" in result.output
    assert not (tmp_path / "exploded").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (lambda network: network, "it is not a file of weights only"),
        (lambda _: [1, 2], "it is not a state dict"),
        (lambda _: {"epoch": 3, "embedding.weight": torch.zeros(6, 6)}, "it is not a state dict"),
        (lambda _: {}, "it has no embedding.weight"),
        (lambda n: {f"module.{name}": weight for name, weight in n.state_dict().items()}, "it has no embedding.weight"),
        (lambda n: n.state_dict() | {"fc.weight": torch.zeros(3)}, "its weights are not those of a SentimentRNN"),
        (lambda n: n.state_dict() | {"fc.weight": torch.zeros(1, 9)}, "its weights are not those of a SentimentRNN"),
        (lambda n: n.state_dict() | {"conv.weight": torch.zeros(1)}, "its weights are not those of a SentimentRNN"),
        (lambda n: n.state_dict() | {"embedding.weight": torch.tensor(1.0)}, "its weights are not those"),
        (lambda n: n.state_dict() | {"fc.bias": torch.tensor([torch.nan])}, "fc.bias has values that are not finite"),
        (
            lambda _: (
                nn.LSTM(3, 3).state_dict() | {"embedding.weight": torch.zeros(6, 6), "fc.weight": torch.zeros(1, 3)}
            ),
            "its weights are not those of a SentimentRNN",
        ),
    ],
)
def test_a_file_that_is_not_the_networks_state_dict_is_refused(
    network: SentimentRNN, vocab: Path, tmp_path: Path, content: Callable[[SentimentRNN], object], complaint: str
) -> None:
    torch.save(content(network), tmp_path / "state.pt")
    result = run_import(tmp_path / "state.pt", vocab, tmp_path / "out")
    assert result.exit_code == 6
    assert complaint in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", [0, 1, 100, 1_000])
def test_a_truncated_state_dict_is_refused(state_dict: Path, vocab: Path, tmp_path: Path, size: int) -> None:
    state_dict.write_bytes(state_dict.read_bytes()[:size])
    result = run_import(state_dict, vocab, tmp_path / "out")
    assert result.exit_code == 6
    assert "it is not a file of weights only" in result.output


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "it is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("3", "it is neither an object nor a list"),
        ('{"the": 0, "film": 1, "was": 2, "good": 3, "bad": 4}', "its ids are not 1, 2, ... without a gap"),
        ('{"the": 1, "film": 1, "was": 2, "good": 3, "bad": 4}', "its ids are not 1, 2, ... without a gap"),
        ('{"the": true, "film": 2, "was": 3, "good": 4, "bad": 5}', "its ids are not 1, 2, ... without a gap"),
        ('{"the": [1], "film": 2}', "its ids are not 1, 2, ... without a gap"),
        ('["the", "film", "the", "good", "bad"]', "its words are not all different texts"),
        ('["the", ["film"], "was", "good", "bad"]', "its words are not all different texts"),
        ('["the", "film"]', "with 2 words the network's embedding needs 3 rows, but it has 6"),
    ],
)
def test_a_vocabulary_that_is_not_the_networks_is_refused(
    state_dict: Path, vocab: Path, tmp_path: Path, content: str, complaint: str
) -> None:
    vocab.write_text(content)
    result = run_import(state_dict, vocab, tmp_path / "out")
    assert result.exit_code == 6
    assert complaint in result.output
    assert str(vocab) in result.output


@pytest.mark.parametrize("missing", ["state_dict", "vocab"])
def test_a_missing_file_is_named(state_dict: Path, vocab: Path, tmp_path: Path, missing: str) -> None:
    files = {"state_dict": state_dict, "vocab": vocab}
    files[missing].unlink()
    result = run_import(state_dict, vocab, tmp_path / "out")
    assert result.exit_code == 6
    assert f"{files[missing]}: cannot be read (No such file or directory)" in result.output


# Looking at an artifact


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["model", *arguments])


def test_inspect_prints_digest_config_and_the_cards_summary(state_dict: Path, vocab: Path, tmp_path: Path) -> None:
    run_import(state_dict, vocab, tmp_path / "out")
    result = invoke("inspect", str(tmp_path / "out"))
    assert result.exit_code == 0
    assert load_artifact(tmp_path / "out").sha256 in result.output
    assert '"architecture": "sentiment_rnn"' in result.output
    assert "# sentiment-rnn 1" in result.output


def test_inspect_as_json_can_be_read_by_a_script(tiny_artifact: Path) -> None:
    shown = json.loads(invoke("inspect", str(tiny_artifact), "--json").stdout)
    assert shown["sha256"] == load_artifact(tiny_artifact).sha256
    assert shown["config"]["name"] == "tiny"


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_a_missing_artifact_is_reported_in_one_line_with_status_6(command: str, tmp_path: Path) -> None:
    result = invoke(command, str(tmp_path / "absent"))
    assert result.exit_code == 6
    assert result.stderr == (
        f"sentiment-worker: {tmp_path}/absent: there is no such directory: give the directory of an artifact\n"
    )


def test_verify_reports_that_files_and_scores_are_right(tiny_artifact: Path) -> None:
    how = ("--engine", "torch", "--device", "cpu")
    result = invoke("verify", str(tiny_artifact), *how)
    assert result.exit_code == 0
    assert load_artifact(tiny_artifact).sha256 in result.stdout
    assert "torch cpu fp32" in result.stdout
    shown = json.loads(invoke("verify", str(tiny_artifact), *how, "--json").stdout)
    assert 0 <= shown["difference"] <= shown["tolerance"]


def test_verify_names_a_damaged_file(tiny_artifact: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(tiny_artifact, tmp_path / "damaged")
    with (damaged / "weights.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    result = invoke("verify", str(damaged))
    assert result.exit_code == 6
    assert f"{damaged}/weights.safetensors: its sha256 is not the one" in result.stderr


# Two artifacts on one file


@pytest.fixture
def other_artifact(tmp_path: Path) -> Path:
    torch.manual_seed(2)
    return save_tiny_artifact(tmp_path / "other")


def test_diff_of_a_model_with_itself_finds_nothing(tiny_artifact: Path, tmp_path: Path) -> None:
    source = tmp_path / "r.txt"
    source.write_text("fine film\nbad film\n")
    result = invoke("diff", str(tiny_artifact), str(tiny_artifact), "--input", str(source))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "2 reviews, the same sentiment for 100.00%",
        "P(positive) differs by 0.0000 in the mean, 0.0000 at most",
    ]


def test_diff_names_the_reviews_that_flip_and_which_model_is_right(
    tiny_artifact: Path, other_artifact: Path, tmp_path: Path
) -> None:
    source = tmp_path / "r.jsonl"
    texts = [f"{WORDS[i % len(WORDS)]} {WORDS[i * 7 % len(WORDS)]}" for i in range(300)]
    scores = [score_texts(load_predictor(each), texts).probabilities for each in (tiny_artifact, other_artifact)]
    labels = (scores[0] >= 0.5).astype(int)  # so that the first one is always right
    source.write_text(
        "".join(
            json.dumps({"review_id": f"r-{i}", "text": text, "label": int(label)}) + "\n"
            for i, (text, label) in enumerate(zip(texts, labels, strict=True))
        )
        + "no review\n"
    )
    flips = {f"r-{i}" for i in np.flatnonzero((scores[0] >= 0.5) != (scores[1] >= 0.5))}
    assert flips, "the two have to differ"
    arguments = ("diff", str(tiny_artifact), str(other_artifact), "--input", str(source))
    result = invoke(*arguments, "--json")
    assert result.exit_code == 1
    shown = json.loads(result.stdout)
    assert {flip["review_id"] for flip in shown["flips"]} == flips
    assert shown["reviews"] == 300
    assert shown["agreement"] == pytest.approx(1 - len(flips) / 300)
    assert shown["max_difference"] == pytest.approx(float(np.abs(scores[0] - scores[1]).max()), abs=1e-5)
    assert (shown["labels"]["only_first"], shown["labels"]["only_second"]) == (len(flips), 0)
    printed = invoke(*arguments, "--skip-invalid")
    assert printed.exit_code == 0
    assert f"of 300 with a label, right where the other is wrong: the first {len(flips)} times" in printed.stdout

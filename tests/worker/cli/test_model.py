"""`sentiment-worker model`: artifacts are inspected, verified, compared, and imported from a notebook's files."""

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result
from torch import nn

import model
from model.artifact import load_artifact
from model.engines import load_predictor
from model.predictor import score_texts
from model.sentiment_rnn import SentimentRNN
from tests.model import notebook_numpy
from tests.support.artifacts import Bomb, damaged_copy
from tests.support.stage import save_tiny_artifact
from tests.support.traffic import WORDS
from tests.worker.cli.runner import invoke
from worker.errors import ModelUnusable

VOCAB_TO_INT = {"the": 1, "film": 2, "was": 3, "good": 4, "bad": 5}
TEXTS = ["The film was GOOD!", "bad, bad film.", "good " * 250]
NOT_ITS_WEIGHTS = "its weights are not those of a SentimentRNN"
NOT_IDS = "its ids are not 1, 2, ... without a gap"

RunImport = Callable[..., Result]


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


@pytest.fixture
def run_import(state_dict: Path, vocab: Path, tmp_path: Path) -> RunImport:
    """Import the notebook's two files, or others, into the folder `out`."""

    def run_import(*more: str, state_dict: Path = state_dict, vocab: Path = vocab) -> Result:
        files = ["--state-dict", state_dict, "--vocab", vocab, "--out", tmp_path / "out"]
        return invoke("model", "import", *map(str, files), *more)

    return run_import


# A notebook's files


def test_an_imported_model_gives_the_notebooks_numbers_and_claims_only_what_the_import_knows(
    run_import: RunImport, network: SentimentRNN, tmp_path: Path
) -> None:
    result = run_import()
    assert result.exit_code == 0, result.output
    rows = [[VOCAB_TO_INT[word] for word in notebook_numpy.words(text)] for text in TEXTS]
    weights = {name: weight.double().numpy() for name, weight in network.state_dict().items()}
    expected = notebook_numpy.probabilities(weights, notebook_numpy.pad_features(rows, 200))
    scores = score_texts(load_predictor(tmp_path / "out", device="cpu"), TEXTS).probabilities
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-5)
    card = load_artifact(tmp_path / "out").card
    assert "not known to this program" in card
    assert str(tmp_path) not in card


@pytest.mark.parametrize(
    "content", [list(VOCAB_TO_INT), dict(reversed(VOCAB_TO_INT.items()))], ids=["list", "another order"]
)
def test_a_vocabulary_may_be_a_list_in_the_order_of_ids_or_an_object_in_any_order(
    run_import: RunImport, vocab: Path, tmp_path: Path, content: object
) -> None:
    vocab.write_text(json.dumps(content))
    assert run_import().exit_code == 0
    assert load_artifact(tmp_path / "out").tokenizer.to_json()["words"] == list(VOCAB_TO_INT)


@pytest.mark.parametrize("layers", [1, 3])
def test_sizes_are_read_from_the_shapes(run_import: RunImport, state_dict: Path, tmp_path: Path, layers: int) -> None:
    weights = SentimentRNN(len(VOCAB_TO_INT) + 1, 2, 5, 7, layers).state_dict()
    torch.save(weights, state_dict)
    assert run_import().exit_code == 0
    imported = load_artifact(tmp_path / "out").weights
    assert {name: weight.shape for name, weight in imported.items()} == {
        name: weight.shape for name, weight in weights.items()
    }


def test_name_version_and_width_are_the_users(run_import: RunImport, tmp_path: Path) -> None:
    assert run_import("--name", "films", "--version", "2.1", "--max-tokens", "50").exit_code == 0
    artifact = load_artifact(tmp_path / "out")
    assert (artifact.config.name, artifact.config.version) == ("films", "2.1")
    assert artifact.tokenizer.max_tokens == 50
    assert artifact.card.startswith("# films 2.1\n")


# What is refused


def test_without_torch_the_error_says_what_to_install(run_import: RunImport, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("notebook", "networks", "network", "sentiment_rnn"):
        monkeypatch.delitem(sys.modules, f"model.{module}", raising=False)
        monkeypatch.delattr(model, module, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    result = run_import()
    assert result.exit_code == ModelUnusable.exit_code
    assert "torch is not installed: `pip install 'sentiment-worker[torch]'`" in result.output


def test_code_in_a_state_dict_is_not_run(run_import: RunImport, state_dict: Path, tmp_path: Path) -> None:
    for save in (torch.save, lambda bomb, path: path.write_bytes(pickle.dumps(bomb))):
        save(Bomb(tmp_path / "exploded"), state_dict)
        result = run_import()
        assert result.exit_code == 6
        assert "save network.state_dict() again" in result.output
    assert not (tmp_path / "exploded").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (lambda network: network, "it is not a file of weights alone"),
        (lambda _: [1, 2], "it is not a state dict"),
        (lambda _: {"epoch": 3, "embedding.weight": torch.zeros(6, 6)}, "it is not a state dict"),
        (lambda _: {}, "it has no embedding.weight"),
        (lambda n: {f"module.{name}": weight for name, weight in n.state_dict().items()}, "it has no embedding.weight"),
        (lambda n: n.state_dict() | {"fc.weight": torch.zeros(3)}, NOT_ITS_WEIGHTS),
        (lambda n: n.state_dict() | {"fc.weight": torch.zeros(1, 9)}, NOT_ITS_WEIGHTS),
        (lambda n: n.state_dict() | {"conv.weight": torch.zeros(1)}, NOT_ITS_WEIGHTS),
        (lambda n: n.state_dict() | {"embedding.weight": torch.tensor(1.0)}, NOT_ITS_WEIGHTS),
        (lambda n: n.state_dict() | {"fc.bias": torch.tensor([torch.nan])}, "fc.bias has values that are not finite"),
        (
            lambda _: (
                nn.LSTM(3, 3).state_dict() | {"embedding.weight": torch.zeros(6, 6), "fc.weight": torch.zeros(1, 3)}
            ),
            NOT_ITS_WEIGHTS,
        ),
    ],
)
def test_a_file_that_is_not_the_networks_state_dict_is_refused(
    run_import: RunImport,
    network: SentimentRNN,
    state_dict: Path,
    tmp_path: Path,
    content: Callable[[SentimentRNN], object],
    complaint: str,
) -> None:
    torch.save(content(network), state_dict)
    result = run_import()
    assert result.exit_code == 6
    assert complaint in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", [0, 1, 100, 1_000])
def test_a_truncated_state_dict_is_refused(run_import: RunImport, state_dict: Path, size: int) -> None:
    state_dict.write_bytes(state_dict.read_bytes()[:size])
    result = run_import()
    assert result.exit_code == 6
    assert "it is not a file of weights alone" in result.output


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "it is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("3", "it is neither an object nor a list"),
        ('{"the": 0, "film": 1, "was": 2, "good": 3, "bad": 4}', NOT_IDS),
        ('{"the": 1, "film": 1, "was": 2, "good": 3, "bad": 4}', NOT_IDS),
        ('{"the": true, "film": 2, "was": 3, "good": 4, "bad": 5}', NOT_IDS),
        ('{"the": [1], "film": 2}', NOT_IDS),
        ('["the", "film", "the", "good", "bad"]', "its words are not all different texts"),
        ('["the", ["film"], "was", "good", "bad"]', "its words are not all different texts"),
        ('["the", "film"]', "with 2 words the network's embedding needs 3 rows, but it has 6"),
    ],
)
def test_a_vocabulary_that_is_not_the_networks_is_refused(
    run_import: RunImport, vocab: Path, content: str, complaint: str
) -> None:
    vocab.write_text(content)
    result = run_import()
    assert result.exit_code == 6
    assert complaint in result.output
    assert str(vocab) in result.output


@pytest.mark.parametrize("option", ["state_dict", "vocab"])
def test_a_missing_file_is_named(run_import: RunImport, tmp_path: Path, option: str) -> None:
    result = run_import(**{option: tmp_path / "missing"})
    assert result.exit_code == 6
    assert f"{tmp_path}/missing: cannot be read (No such file or directory)" in result.output


# Looking at an artifact


def test_inspect_prints_digest_config_and_the_cards_summary(run_import: RunImport, tmp_path: Path) -> None:
    run_import()
    result = invoke("model", "inspect", str(tmp_path / "out"))
    assert result.exit_code == 0
    assert load_artifact(tmp_path / "out").sha256 in result.output
    assert '"architecture": "sentiment_rnn"' in result.output
    assert "# sentiment-rnn 1" in result.output
    shown = json.loads(invoke("model", "inspect", str(tmp_path / "out"), "--json").stdout)
    assert shown["sha256"] == load_artifact(tmp_path / "out").sha256
    assert shown["config"]["name"] == "sentiment-rnn"


@pytest.mark.parametrize("command", ["inspect", "verify"])
def test_a_missing_artifact_is_reported_in_one_line_with_status_6(command: str, tmp_path: Path) -> None:
    result = invoke("model", command, str(tmp_path / "absent"))
    assert result.exit_code == 6
    assert result.stderr == (
        f"sentiment-worker: {tmp_path}/absent: there is no such directory: give the directory of an artifact\n"
    )


def test_verify_reports_that_files_and_scores_are_right(tiny_artifact: Path) -> None:
    how = ("--engine", "torch", "--device", "cpu")
    result = invoke("model", "verify", str(tiny_artifact), *how)
    assert result.exit_code == 0
    assert load_artifact(tiny_artifact).sha256 in result.stdout
    assert "torch cpu fp32" in result.stdout
    shown = json.loads(invoke("model", "verify", str(tiny_artifact), *how, "--json").stdout)
    assert 0 <= shown["difference"] <= shown["tolerance"]


def test_verify_names_a_damaged_file(tiny_artifact: Path, tmp_path: Path) -> None:
    damaged = damaged_copy(tiny_artifact, tmp_path / "damaged")
    result = invoke("model", "verify", str(damaged))
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
    result = invoke("model", "diff", str(tiny_artifact), str(tiny_artifact), "--input", str(source))
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
    arguments = ("model", "diff", str(tiny_artifact), str(other_artifact), "--input", str(source))
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

"""The expert at a tiny size: it reads a checkpoint, learns, and gives opinions."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from tests.training.conftest import BAD, GOOD, NEUTRAL, TINY_PRODUCTION
from training.augment import passages
from training.cli import cli
from training.datasets import ImdbFiles, Lists, Splits, hard_targets, production_splits
from training.errors import DatasetError
from training.expert.encoder import END, MASK, PADDING, START, Encoder, read_encoder
from training.expert.learn import ask, hide, learn_words
from training.expert.pieces import MARKS, batches, crop, head_and_tail, read_tokenizer, stack, to_pieces, windows
from training.expert.teach import collect_opinions, examine, make_expert
from training.opinions import Opinions
from training.recipes import ExpertRecipe

HIDDEN, LAYERS = 16, 2
RECIPE = ExpertRecipe(
    readers=2, word_epochs=1, label_epochs=6, label_peak_rate=5e-3, batch_pieces=600, batch_reviews=10, longest_crop=20
)
CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=40)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT with random weights, in Hugging Face's layout, that knows the words of the tiny data set."""
    directory = tmp_path_factory.mktemp("bert")
    marks = {PADDING: "[PAD]", START: "[CLS]", END: "[SEP]", MASK: "[MASK]"}
    fillers = [marks.get(number, f"[unused{number}]") for number in range(MASK + 1)]
    vocabulary = {word: number for number, word in enumerate([*fillers, *GOOD, *BAD, *NEUTRAL])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=fillers[100]))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.save(str(directory / "tokenizer.json"))
    sizes = {
        "vocab_size": len(vocabulary),
        "hidden_size": HIDDEN,
        "intermediate_size": 32,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "max_position_embeddings": 512,
        "hidden_dropout_prob": 0.0,
    }
    (directory / "config.json").write_text(json.dumps(sizes | {"model_type": "bert"}))
    shapes = {
        "embeddings.word_embeddings": (len(vocabulary), HIDDEN),
        "embeddings.position_embeddings": (512, HIDDEN),
        "embeddings.token_type_embeddings": (2, HIDDEN),
    }
    weights = {"embeddings.LayerNorm.weight": torch.ones(HIDDEN), "embeddings.LayerNorm.bias": torch.zeros(HIDDEN)}
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        square = dict.fromkeys(("attention.self.query", "attention.self.key", "attention.self.value"), (HIDDEN, HIDDEN))
        square |= {"attention.output.dense": (HIDDEN, HIDDEN), "intermediate.dense": (32, HIDDEN)}
        square |= {"output.dense": (HIDDEN, 32)}
        for part, shape in square.items():
            shapes[f"{name}.{part}"] = shape
            weights[f"{name}.{part}.bias"] = torch.zeros(shape[0])
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            weights[f"{name}.{part}.weight"] = torch.ones(HIDDEN)
            weights[f"{name}.{part}.bias"] = torch.zeros(HIDDEN)
    generator = torch.Generator().manual_seed(0)
    weights |= {f"{name}.weight": 0.2 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    save_file(weights, directory / "model.safetensors")
    return directory


@pytest.fixture(scope="module")
def splits(imdb: ImdbFiles, lists: Lists) -> Splits:
    return production_splits(imdb, lists)


def test_the_expert_learns_and_its_opinions_are_those_that_a_recipe_asks_for(checkpoint: Path, splits: Splits) -> None:
    reader = make_expert(RECIPE, splits, checkpoint, CPU, 0, Console(quiet=True))
    scores = examine(reader, splits)
    assert scores["dev"].metrics.accuracy > 0.9
    assert scores.keys() > {"dev", "sentences", "opposite pairs"}
    opinions = collect_opinions(reader, splits, TINY_PRODUCTION, Console(quiet=True))
    dev = [row.text for row in splits.dev]
    assert opinions.about(dev) == pytest.approx(reader(dev), abs=0.05)
    assert np.mean((opinions.about(dev) > 0) == hard_targets(splits.dev)) > 0.9
    parts = passages(splits.unlabelled, TINY_PRODUCTION.passages)[1]
    assert np.isfinite(opinions.about([row.text for row in splits.unlabelled] + parts)).all()


def test_the_command_writes_opinions(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "opinions.npz"
    command = ["teach", "--data", str(data), "--checkpoint", str(checkpoint), "--out", str(out), "--limit", "20"]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 0, result.output
    assert "| opposite pairs, both right |" in result.output
    assert len(Opinions.read(out).keys) == 40


@pytest.mark.parametrize("damage", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_bert_is_named(damage: str, checkpoint: Path, splits: Splits, tmp_path: Path) -> None:
    for file in checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(b"{}" if file.name == damage else file.read_bytes())
    with pytest.raises(DatasetError, match=r"give the directory of"):
        make_expert(RECIPE, splits, tmp_path, CPU, 0, Console(quiet=True))


def test_a_checkpoint_with_other_marks_is_refused(checkpoint: Path, splits: Splits, tmp_path: Path) -> None:
    for file in checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes().replace(b"[MASK]", b"<mask>"))
    with pytest.raises(DatasetError, match="marks of the English BERT"):
        make_expert(RECIPE, splits, tmp_path, CPU, 0, Console(quiet=True))


def test_a_checkpoint_that_reads_too_little_is_refused(checkpoint: Path, splits: Splits) -> None:
    with pytest.raises(DatasetError, match="reads 512 pieces at most"):
        make_expert(replace(RECIPE, review_pieces=511), splits, checkpoint, CPU, 0, Console(quiet=True))


def test_a_path_that_cannot_be_written_is_refused_before_hours_of_work(data: Path, tmp_path: Path) -> None:
    command = ["teach", "--data", str(data), "--checkpoint", str(tmp_path), "--out", str(tmp_path / "absent" / "x.npz")]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 1
    assert "choose another --out" in result.output


def test_a_texts_score_does_not_depend_on_its_batch(checkpoint: Path) -> None:
    torch.manual_seed(0)
    encoder, tokenizer = read_encoder(checkpoint), read_tokenizer(checkpoint)
    torch.nn.init.normal_(encoder.head.weight)
    rows = to_pieces(tokenizer, ["wonderful", "the film was dreadful and tedious " * 20, "", "it was moving"])
    alone = np.concatenate([ask(encoder, [row], RECIPE) for row in rows])
    assert ask(encoder, rows, RECIPE) == pytest.approx(alone, abs=0.1)  # bfloat16
    assert np.ptp(alone) > 1


def test_the_same_seed_learns_the_same(checkpoint: Path) -> None:
    rows = to_pieces(read_tokenizer(checkpoint), ["the film was wonderful and moving"] * 30)

    def learned(seed: int) -> Encoder:
        torch.manual_seed(0)
        encoder = read_encoder(checkpoint)
        learn_words(encoder, rows, replace(RECIPE, word_epochs=2), seed, lambda *_: None)
        return encoder

    first, again, other = (learned(seed).words.weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_only_pieces_are_hidden_and_most_of_them_behind_the_mask() -> None:
    ids = stack([np.full(400, MASK + 5, np.int32), np.full(300, MASK + 6, np.int32)], CPU)
    torch.manual_seed(0)
    shown, asked = hide(ids, 0.2, MASK + 50)
    assert not asked[(ids <= END)].any()
    assert torch.equal(shown[~asked], ids[~asked])
    assert 0.15 < asked[ids > END].float().mean() < 0.25
    assert 0.7 < (shown[asked] == MASK).float().mean() < 0.9
    assert (shown[asked] == ids[asked]).any()
    assert ((shown[asked] > MASK) & (shown[asked] != ids[asked])).any()


@given(lengths=LENGTHS, most=st.integers(10, 300), most_rows=st.none() | st.integers(1, 9), shuffled=st.booleans())
def test_batches_hold_each_row_once_and_keep_their_size(
    lengths: list[int], most: int, most_rows: int | None, shuffled: bool
) -> None:
    rows = [np.zeros(length, np.int32) for length in lengths]
    made = list(batches(rows, most, random.Random(0) if shuffled else None, most_rows))
    assert sorted(row for batch in made for row in batch) == list(range(len(rows)))
    for batch in made:
        assert len(batch) == 1 or len(batch) * (MARKS + max(lengths[row] for row in batch)) <= most
        assert most_rows is None or len(batch) <= most_rows


@given(length=st.integers(1, 900), width=st.integers(3, 300), seed=st.integers(0, 9))
def test_a_row_is_cut_without_losing_its_order(length: int, width: int, seed: int) -> None:
    row = np.arange(length, dtype=np.int32)
    ends = head_and_tail(row, width)
    assert len(ends) == min(length, width)
    assert (ends[0], ends[-1]) == (0, length - 1)
    assert (np.diff(ends) > 0).all()
    assert np.array_equal(np.concatenate(windows(row, width)), row)
    assert max(map(len, windows(row, width))) <= width
    part = crop(row, width, random.Random(seed))
    assert len(part) == min(length, width)
    assert (np.diff(part) == 1).all()


def test_a_batch_is_marked_at_both_ends_and_padded() -> None:
    ids = stack([np.array([MASK + 1, MASK + 2], np.int32), np.array([MASK + 3], np.int32)], CPU)
    assert ids.tolist() == [[START, MASK + 1, MASK + 2, END], [START, MASK + 3, END, PADDING]]

"""`python -m training` as a user meets it: what it prints, and one clear line for every error."""

import json
import lzma
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from sklearn import metrics as sk

from model.engines import load_predictor
from model.predictor import score_texts
from tests.training.archive import Manners, serving
from training.cli import cli
from training.suite import read_suite

REPOSITORY = Path(__file__).parents[2]


def invoke(*arguments: str | Path) -> Result:
    torch.set_num_threads(1)  # `conftest` does so for a test, but not for what is shared by the tests of a module
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], prog_name="python -m training")


def start(*arguments: str | Path, python: tuple[str, ...] = (), **environment: str) -> subprocess.Popen[str]:
    """`python -m training` as its own process, computing on one core as the tests do."""
    return subprocess.Popen(
        [sys.executable, *python, "-m", "training", *map(str, arguments)],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(words: str, lines: IO[str] | None) -> None:
    assert lines
    for line in lines:
        if words in line:
            return
    pytest.fail(f"the program ended without {words!r}")


def reference_run(data: Path, out: Path) -> tuple[str | Path, ...]:
    """The real recipe, on few reviews; an epoch takes long enough to be interrupted in it."""
    return ("--recipe", "reference", "--data", data, "--out", out, "--limit", "60", "--epochs", "3")


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("undisturbed") / "[bold]brackets" / ("a-long-name-" * 12)
    return out, invoke(*reference_run(data, out))


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """A user's own file; one review has no label."""
    path = tmp_path / "own[red].jsonl"
    texts = [
        "a wonderful film",
        "superb and moving",
        "dreadful",
        "tedious, clumsy",
        "wonderful but tedious",
        "the plot",
    ]
    rows = [{"id": str(n), "label": label, "text": texts[n]} for n, label in enumerate([1, 1, 0, 0, 1, None])]
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


# What works


def test_training_ends_with_the_metrics_and_the_places_of_artifact_and_report(undisturbed: tuple[Path, Result]) -> None:
    out, result = undisturbed
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[-2:] == [f"artifact: {out / 'artifact'}", f"report: {out / 'report.md'}"], "whole, however long"
    report = (out / "report.md").read_text("utf-8")
    for name in ("dev", "official test", "notebook test"):
        (line,) = (line for line in lines if line.startswith(f"| {name} |"))
        assert line in report
    assert "reference recipe: 100 %" in result.stdout, "without a terminal, progress is printed in lines"


def test_the_model_card_gives_the_command_without_the_places_of_this_machine(undisturbed: tuple[Path, Result]) -> None:
    card = (undisturbed[0] / "artifact" / "MODEL_CARD.md").read_text("utf-8")
    assert "`python -m training --recipe reference --data DIR --out DIR --epochs 3 --limit 60`" in card
    assert str(undisturbed[0].parent) not in card


def test_ctrl_c_is_one_line_and_status_130_and_the_same_command_ends_with_the_same_weights(
    undisturbed: tuple[Path, Result], data: Path, tmp_path: Path
) -> None:
    command = reference_run(data, tmp_path)
    with start(*command) as process:
        read_until("epoch 1: ", process.stdout)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert errors == "interrupted: the same command continues after the last whole epoch\n"
    assert process.returncode == 130
    assert not (tmp_path / "artifact").exists()
    continued = invoke(*command)
    assert continued.exit_code == 0, continued.stderr
    assert f"continuing after the last whole epoch of {tmp_path / 'checkpoint.pt'}" in continued.stdout
    assert "epoch 1: " not in continued.stdout
    name = Path("artifact", "weights.safetensors")
    assert (tmp_path / name).read_bytes() == (undisturbed[0] / name).read_bytes()


def test_ctrl_c_while_the_program_loads_is_no_traceback_either() -> None:
    with start("--help", python=("-X", "importtime")) as process:
        read_until("click.core", process.stderr)  # torch comes later
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    said = [line for line in errors.splitlines() if not line.startswith("import time:")]
    assert said == ["interrupted: the same command continues"]
    # A library that runs Python code from C leaves the interpreter to end by the signal, which a shell calls 130 too.
    assert process.returncode in (130, -signal.SIGINT)


def test_evaluate_prints_what_scikit_learn_finds(undisturbed: tuple[Path, Result], labelled: Path) -> None:
    artifact = undisturbed[0] / "artifact"
    result = invoke("evaluate", "--artifact", artifact, "--data", labelled)
    assert result.exit_code == 0, result.stderr
    rows = [json.loads(line) for line in labelled.read_text("utf-8").splitlines()][:5]
    p = score_texts(load_predictor(artifact), [row["text"] for row in rows]).probabilities.astype(np.float64)
    y = np.array([row["label"] for row in rows])
    expected = [len(y), sk.accuracy_score(y, p >= 0.5), sk.roc_auc_score(y, p), sk.log_loss(y, p)]
    cells = result.stdout.splitlines()[2].strip("| ").split(" | ")
    assert cells[0] == labelled.name
    assert [float(cell) for cell in cells[1:5]] == pytest.approx(expected, abs=6e-5)
    tn, fp, fn, tp = sk.confusion_matrix(y, p >= 0.5).ravel()
    assert f"| negative | {tn} | {fp} |\n| positive | {fn} | {tp} |" in result.stdout
    assert "scoring" not in result.stdout, "progress is not among the results"


def test_compare_finds_a_model_as_good_as_itself(undisturbed: tuple[Path, Result], labelled: Path) -> None:
    artifact = undisturbed[0] / "artifact"
    result = invoke("compare", artifact, artifact, "--data", labelled)
    assert result.exit_code == 0, result.stderr
    assert "p = 1 " in result.stdout
    assert "alone" not in result.stdout, "no review is right with one of them alone"


def test_suite_prints_the_share_of_pairs_that_are_right_on_both_sides(undisturbed: tuple[Path, Result]) -> None:
    artifact = undisturbed[0] / "artifact"
    result = invoke("suite", "--artifact", artifact)
    assert result.exit_code == 0, result.stderr
    pairs = read_suite()["opposite pairs"]
    p = score_texts(load_predictor(artifact), [row.text for row in pairs]).probabilities
    right = [(score >= 0.5) == (row.label == 1) for score, row in zip(p, pairs, strict=True)]
    share = np.mean([one and other for one, other in zip(right[::2], right[1::2], strict=True)])
    assert f"| opposite pairs, both right | {share:.4f} |" in result.stdout
    counts = [
        int(line.split("|")[2]) for line in result.stdout.partition("opposites by")[2].splitlines()[2:] if "|" in line
    ]
    assert sum(counts) == len(pairs) // 2


def test_every_command_and_option_of_the_documentation_exists() -> None:
    text = (REPOSITORY / "docs" / "training.md").read_text("utf-8")
    commands = re.findall(r"^(?:\.venv/bin/)?python -m training\b(.*)$", text, re.MULTILINE)
    assert len(commands) >= 4
    for command in commands:
        words = command.partition("#")[0].split()
        named = cli.commands.get(words[0], cli)
        known = {option for parameter in named.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, command


# Errors


def complaint(result: Result, status: int = 1) -> str:
    """The one line that the program leaves on stderr."""
    assert result.exit_code == status, result.output
    assert re.fullmatch(r"error: [^\n]+\n", result.stderr), result.stderr
    return result.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", "training needs --recipe, --data and --out: see `python -m training --help`"),
        ("--recipe production --data .", "training needs --recipe, --data and --out"),
        ("--recipe tiny --data . --out new", "'tiny' is not one of 'production', 'reference'"),
        ("--recipe production --data . --out new --epochs 0", "'--epochs'"),
        ("--recipe production --data . --out new --limit few", "'few' is not a valid integer"),
        ("--recipe production --data . --out pyproject.toml", "'pyproject.toml' is a file"),
        ("--recipe reference --data . --out new --notebook-split", "--notebook-split are for the production recipe"),
        ("--resipe production", "No such option '--resipe'"),
        ("evaluate --data x.jsonl", "Missing option '--artifact': see `python -m training evaluate --help`"),
        ("evaluate --artifact .", "Missing option '--data'"),
        ("fetch", "Missing option '--out': see `python -m training fetch --help`"),
        ("fetsh", "No such command 'fetsh'"),
        ("--recipe reference --data . --out . --opinions x.npz", "this training has none"),
        ("--recipe production --without expert --data . --out . --opinions x.npz", "this training has none"),
    ],
)
def test_wrong_options_are_one_line_that_names_them_and_the_help(
    arguments: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert expected in complaint(invoke(*arguments.split()), status=2)


def test_a_directory_without_the_data_set_is_named_with_the_command_that_gets_it(tmp_path: Path) -> None:
    line = complaint(invoke("--recipe", "production", "--data", tmp_path / "none", "--out", tmp_path / "out"))
    assert str(tmp_path / "none" / "imdb" / "train.jsonl.xz") in line
    assert "python -m training fetch" in line
    assert not (tmp_path / "out").exists()


def cut(path: Path) -> str:
    path.write_bytes(path.read_bytes()[:-1000])
    return "is damaged after line"


def spoil_a_line(path: Path) -> str:
    with lzma.open(path, "at", encoding="utf-8") as file:
        file.write('{"id": "a", "label": "good", "text": "b"}\n')
    return "line 81: not a review with id, label and text"


def take_a_label(path: Path) -> str:
    with lzma.open(path, "at", encoding="utf-8") as file:
        file.write('{"id": "a", "label": null, "text": "b"}\n')
    return "the official test part has 40 negative, 40 positive and 1 unlabelled reviews"


def empty(path: Path) -> str:
    path.write_bytes(lzma.compress(b""))
    return "the official test part has 0 negative"


@pytest.mark.parametrize("damage", [cut, spoil_a_line, take_a_label, empty])
def test_a_damaged_data_file_is_one_line_that_says_where(
    damage: Callable[[Path], str], data: Path, tmp_path: Path
) -> None:
    shutil.copytree(data, tmp_path / "data")
    expected = damage(tmp_path / "data" / "imdb" / "test.jsonl.xz")
    line = complaint(invoke("--recipe", "production", "--data", tmp_path / "data", "--out", tmp_path / "out"))
    assert expected in line
    assert not (tmp_path / "out").exists()


def test_too_low_a_limit_is_one_line(data: Path, tmp_path: Path) -> None:
    line = complaint(invoke("--recipe", "production", "--data", data, "--out", tmp_path, "--limit", "1"))
    assert "a higher --limit" in line


@pytest.mark.parametrize("change", [("--seed", "7"), ("--epochs", "2"), ("--limit", "61")])
def test_the_checkpoint_of_another_run_is_left_alone_and_named(
    change: tuple[str, str], undisturbed: tuple[Path, Result], data: Path, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    shutil.copy(undisturbed[0] / "checkpoint.pt", checkpoint)
    line = complaint(invoke(*reference_run(data, tmp_path), *change))
    assert f"{checkpoint} belongs to a run with another recipe, seed or data: give another --out" in line
    assert checkpoint.read_bytes() == (undisturbed[0] / "checkpoint.pt").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_damaged_checkpoint_is_one_line(data: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_text("nothing that torch wrote")
    assert "delete it to start again" in complaint(invoke(*reference_run(data, tmp_path)))


def test_a_place_where_nothing_can_be_written_is_one_line(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = complaint(invoke(*reference_run(data, tmp_path / "file" / "out")))
    assert f"cannot write {tmp_path / 'file' / 'out'}" in line
    assert "another --out" in line


def test_evaluate_says_what_is_wrong_with_its_file_or_its_artifact(
    undisturbed: tuple[Path, Result], labelled: Path, tmp_path: Path
) -> None:
    artifact, other = undisturbed[0] / "artifact", tmp_path / "other.jsonl"
    missing = complaint(invoke("evaluate", "--artifact", artifact, "--data", other))
    assert f"cannot read {other}: No such file or directory" in missing
    assert "check --data" in missing
    other.write_text('{"id": "a", "label": null, "text": "b"}\n', "utf-8")
    assert "holds no labelled review" in complaint(invoke("evaluate", "--artifact", artifact, "--data", other))
    other.write_bytes(b"\xff\xfe not text")
    assert "not a review with id, label and text" in complaint(
        invoke("evaluate", "--artifact", artifact, "--data", other)
    )
    assert "no such directory" in complaint(invoke("evaluate", "--artifact", tmp_path / "none", "--data", labelled))
    shutil.copytree(artifact, tmp_path / "damaged")
    (tmp_path / "damaged" / "weights.safetensors").write_bytes(b"x" * 100)
    damaged = complaint(invoke("evaluate", "--artifact", tmp_path / "damaged", "--data", labelled))
    assert "weights.safetensors" in damaged


def test_a_fetch_that_fails_is_one_line(tmp_path: Path) -> None:
    with serving(Manners(b"", status=404)) as url:
        assert f"{url} answered 404" in complaint(invoke("fetch", "--out", tmp_path, "--url", url))


def test_a_missing_package_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "scipy.py").write_text("raise ModuleNotFoundError('no scipy', name='scipy')")
    with start("--help", PYTHONPATH=str(tmp_path)) as process:
        _, errors = process.communicate()
    assert errors == "error: scipy is not installed: training needs `pip install 'sentiment-worker[training]'`\n"
    assert process.returncode == 1

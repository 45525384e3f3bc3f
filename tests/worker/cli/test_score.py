"""`score`, run as its users run it."""

import json
import re
import signal
from pathlib import Path

import pytest

from tests.support.until import until
from tests.worker.cli.runner import LIMIT_S, invoke, results_in, start

CANARY = "canary-7f3a"


@pytest.fixture(autouse=True)
def model_of_the_environment(tiny_artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIMENT_MODEL", str(tiny_artifact))


def test_score_keeps_ids_and_order(tmp_path: Path) -> None:
    source, target = tmp_path / "reviews.jsonl", tmp_path / "scored.jsonl"
    reviews = [{"review_id": f"id-{number}", "text": "fine film " * (number % 7)} for number in range(100)]
    del reviews[41]["review_id"]
    source.write_text("".join(json.dumps(review) + "\n" for review in reviews))
    result = invoke("score", "--input", str(source), "--output", str(target), "--batch", "8")
    assert (result.exit_code, result.stdout) == (0, "")
    assert re.fullmatch(r"scored 100 reviews in \d+\.\d s, \d+/s\n", result.stderr)
    scored = results_in(target.read_bytes())
    assert [each.review_id for each in scored] == [review.get("review_id", "line-42") for review in reviews]
    assert [each.tokens for each in scored] == [2 * (number % 7) for number in range(100)]
    assert {(each.model.name, each.source) for each in scored} == {("tiny", None)}
    assert scored[0].score == 0.5, "no words, no evidence"


def test_score_gives_the_same_numbers_for_every_format(tmp_path: Path) -> None:
    files = {
        "r.jsonl": ('{"text": "a fine film"}\n{"text": "dull"}\n', "auto"),
        "r.csv": ('stars,text\n5,"a fine film"\n1,dull\n', "auto"),
        "r.txt": ("a fine film\ndull\n", "auto"),
        "plain": ("a fine film\ndull\n", "text"),
    }
    scores = set()
    for name, (content, file_format) in files.items():
        (tmp_path / name).write_text(content)
        result = invoke("score", "--input", str(tmp_path / name), "--format", file_format)
        scores.add(tuple(each.score for each in results_in(result.stdout)))
    [[first, second]] = scores
    assert first != second


@pytest.mark.parametrize(("flags", "status"), [([], 1), (["--skip-invalid"], 0)])
def test_score_reports_unreadable_rows_and_scores_the_others(tmp_path: Path, flags: list[str], status: int) -> None:
    source = tmp_path / "r.jsonl"
    source.write_text('{"text": "a"}\n{"text": 5, "comment": "[red]' + CANARY + '"}\n{"text": "b"}\n')
    result = invoke("score", "--input", str(source), *flags)
    assert result.exit_code == status
    assert [each.review_id for each in results_in(result.stdout)] == ["line-1", "line-3"]
    reported, summary, failed = result.stderr.splitlines()
    assert reported == f"{source}:2: invalid_review: text: Input should be a valid string"
    assert summary.startswith("scored 2 reviews in ")
    assert failed == "sentiment-worker: rows that failed: 1"


@pytest.mark.parametrize("to_file", [True, False])
def test_score_summarizes_as_json_beside_the_results(tmp_path: Path, to_file: bool) -> None:
    (tmp_path / "r.txt").write_text("fine\ndull\n")
    output = ["--output", str(tmp_path / "scored.jsonl")] if to_file else []
    result = invoke("score", "--input", str(tmp_path / "r.txt"), "--json", *output)
    assert result.exit_code == 0
    summary = json.loads(result.stdout if to_file else result.stderr)
    assert (summary["scored"], summary["failed"]) == (2, 0)
    assert summary["seconds"] > 0


def test_score_without_an_artifact_fails_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("fine\n")
    target = tmp_path / "scored.jsonl"
    flags = ["--input", str(tmp_path / "r.txt"), "--output", str(target), "--model", str(tmp_path / "nowhere")]
    result = invoke("score", *flags)
    assert result.exit_code == 6
    assert result.stderr.startswith(f"sentiment-worker: {tmp_path / 'nowhere'}")
    assert result.stderr.count("\n") == 1
    assert not target.exists()


def test_score_reads_stdin_and_writes_stdout() -> None:
    with start("score") as process:
        stdout, stderr = process.communicate('{"review_id": "é", "text": "fine"}\nnot json\n'.encode(), LIMIT_S)
    assert process.returncode == 1
    assert [each.review_id for each in results_in(stdout)] == ["é"]
    assert stderr.splitlines()[0].startswith(b"stdin:2: invalid_json: ")


def test_score_streams() -> None:
    """A full chunk is written while the input is still open."""
    with start("score", "--batch", "2") as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b'{"text": "a"}\n{"text": "b"}\n')
        process.stdin.flush()
        first = [process.stdout.readline() for _ in range(2)]
        assert [each.review_id for each in results_in(b"".join(first))] == ["line-1", "line-2"]
        process.stdin.close()
        assert process.wait(LIMIT_S) == 0


def test_a_closed_pipe_causes_no_traceback(tmp_path: Path) -> None:
    source = tmp_path / "r.txt"
    source.write_text("fine\n" * 5000)
    with start("score", "--input", str(source), "--batch", "1") as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(LIMIT_S) != 0
        assert process.stderr.read() == b""


def test_an_interrupted_score_prints_nothing_and_leaves_no_output(tmp_path: Path) -> None:
    target = tmp_path / "scored.jsonl"
    with start("score", "--batch", "1", "--output", str(target)) as process:
        assert process.stdin
        assert process.stderr
        process.stdin.write(b"fine\n")
        process.stdin.flush()
        until(lambda: any(part.stat().st_size for part in tmp_path.iterdir()), LIMIT_S, "the first result is written")
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT_S) == 130
        assert process.stderr.read() == b""
    assert list(tmp_path.iterdir()) == []

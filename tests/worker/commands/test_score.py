"""Scoring files: order and ids are kept, a bad row affects no other, the output is complete or absent."""

import io
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from model.errors import EngineBroken
from tests.fakes.fake_predictor import FakePredictor
from worker.commands import score
from worker.commands.review_files import FileRow, ReviewRow, UnreadableRow
from worker.commands.score import open_output, score_rows
from worker.errors import ModelUnusable, SettingsRejected
from worker.wire.review import decode_review
from worker.wire.scored import ScoredReview


def row(line: int, text: str, review_id: str | None = None) -> ReviewRow:
    value = json.dumps({"text": text, "review_id": review_id}).encode()
    return ReviewRow(line, value, decode_review(value))


class Run:
    """One run over some rows, and its results. It is its own progress."""

    def __init__(self, rows: Iterable[FileRow], predictor: FakePredictor | None = None, *, chunk: int = 3) -> None:
        output = io.BytesIO()
        self.failures: list[UnreadableRow] = []
        self.progress: list[int] = []
        self.advance, self.fail = self.progress.append, self.failures.append
        self.scored = score_rows(rows, predictor or FakePredictor(), output, self, chunk_reviews=chunk)
        self.results = [ScoredReview.model_validate_json(line) for line in output.getvalue().splitlines()]


def test_results_keep_order_and_ids_over_chunks() -> None:
    run = Run([row(i, f"text {i}", f"id-{i}") for i in range(1, 8)])
    assert [result.review_id for result in run.results] == [f"id-{i}" for i in range(1, 8)]
    assert (run.scored, run.failures) == (7, [])
    assert run.progress == [3, 3, 1]


def test_a_review_without_an_id_is_named_by_its_line() -> None:
    results = Run([row(1, "a"), row(4, "b"), row(5, "c", "")]).results
    assert [result.review_id for result in results] == ["line-1", "line-4", ""]


def test_a_result_names_its_model_and_no_source() -> None:
    [result] = Run([row(1, "one two")]).results
    assert (result.model.name, result.model.version) == ("fake", "1")
    assert (result.tokens, result.source) == (2, None)


def test_a_text_without_any_known_word_is_flagged() -> None:
    assert [result.out_of_domain for result in Run([row(1, "one two"), row(2, "")]).results] == [False, True]


def test_unreadable_and_unscorable_rows_are_reported_in_order_and_affect_no_other() -> None:
    predictor = FakePredictor()
    predictor.fail_on("poison")
    run = Run([row(1, "a"), UnreadableRow(2, "not JSON"), row(3, "poison"), row(4, "b")], predictor, chunk=10)
    assert [result.review_id for result in run.results] == ["line-1", "line-4"]
    assert [failure.line for failure in run.failures] == [2, 3]
    assert run.failures[1].why.startswith("cannot be scored: ")
    assert run.scored == 2


@pytest.mark.parametrize("rows", [[UnreadableRow(1, "not JSON")], []])
def test_a_chunk_may_have_only_unreadable_rows_or_none(rows: list[UnreadableRow]) -> None:
    run = Run(rows)
    assert (run.scored, run.results, run.failures) == (0, [], rows)


def test_a_broken_engine_ends_the_run() -> None:
    predictor = FakePredictor()
    predictor.break_with(EngineBroken("the device is gone"))
    with pytest.raises(ModelUnusable, match="the device is gone"):
        Run([row(1, "a")], predictor)


def test_rows_are_read_a_chunk_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By number, and by size."""
    monkeypatch.setattr(score, "MAX_CHUNK_BYTES", 1000)
    run = Run([row(i, "x" * (600 if i > 4 else 1)) for i in range(1, 9)], chunk=3)
    assert run.progress == [3, 3, 2]


def test_an_output_file_appears_complete_under_its_name(tmp_path: Path) -> None:
    target = tmp_path / "scored.jsonl"
    target.write_bytes(b"old")
    with open_output(str(target)) as output:
        output.write(b"new")
        output.flush()
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_the_old_output_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "scored.jsonl"
    target.write_bytes(b"old")

    def write_half() -> None:
        with open_output(str(target)) as output:
            output.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    with open_output(str(link)) as output:
        output.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_device_is_written_and_not_replaced() -> None:
    with open_output("/dev/null") as output:
        output.write(b"gone")
    assert Path("/dev/null").is_char_device()


def test_an_output_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    with (
        pytest.raises(SettingsRejected, match=r"--output: .*nowhere.* cannot be written: No such file"),
        open_output(str(tmp_path / "nowhere" / "scored.jsonl")),
    ):
        pass

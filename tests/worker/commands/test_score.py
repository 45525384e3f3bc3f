"""Scoring files: order and ids kept, a bad row costs itself, the output is whole or not there."""

import io
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from model.errors import EngineBroken
from tests.fakes.fake_predictor import FakePredictor
from worker.commands import score as offline
from worker.commands.review_files import Row, Unreadable
from worker.commands.score import Tally, open_output, score_rows
from worker.errors import ModelUnusable, SettingsRejected
from worker.wire.review import decode_review
from worker.wire.scored import ScoredReview


def row(line: int, text: str, review_id: str | None = None) -> Row:
    value = json.dumps({"text": text, "review_id": review_id}).encode()
    return Row(line, value, decode_review(value))


class Run:
    """One scoring, and what came of it."""

    def __init__(
        self, rows: Iterable[Row | Unreadable], predictor: FakePredictor | None = None, *, chunk: int = 3
    ) -> None:
        output = io.BytesIO()
        self.failures: list[Unreadable] = []
        self.progress: list[int] = []
        self.tally: Tally = score_rows(
            rows,
            predictor or FakePredictor(),
            output,
            chunk_reviews=chunk,
            on_failure=self.failures.append,
            on_progress=self.progress.append,
        )
        self.results = [ScoredReview.model_validate_json(line) for line in output.getvalue().splitlines()]


def test_results_keep_order_and_ids_over_chunks() -> None:
    run = Run([row(i, f"text {i}", f"id-{i}") for i in range(1, 8)])
    assert [result.review_id for result in run.results] == [f"id-{i}" for i in range(1, 8)]
    assert run.tally == Tally(scored=7, failed=0)
    assert run.progress == [3, 3, 1]


def test_a_review_without_an_id_is_named_by_its_line() -> None:
    assert [result.review_id for result in Run([row(1, "a"), row(4, "b"), row(5, "c", "")]).results] == [
        "line-1",
        "line-4",
        "",
    ]


def test_a_result_tells_its_model_and_no_source() -> None:
    [result] = Run([row(1, "one two")]).results
    assert (result.model.name, result.model.version) == ("fake", "1")
    assert (result.tokens, result.source) == (2, None)


def test_a_text_that_the_model_knows_no_word_of_is_flagged() -> None:
    assert [result.out_of_domain for result in Run([row(1, "one two"), row(2, "")]).results] == [False, True]


def test_unreadable_and_unscorable_rows_are_told_in_order_and_cost_no_other() -> None:
    predictor = FakePredictor()
    predictor.fail_on("poison")
    run = Run([row(1, "a"), Unreadable(2, "not JSON"), row(3, "poison"), row(4, "b")], predictor, chunk=10)
    assert [result.review_id for result in run.results] == ["line-1", "line-4"]
    assert [failure.line for failure in run.failures] == [2, 3]
    assert run.failures[1].why.startswith("cannot be scored: ")
    assert run.tally == Tally(scored=2, failed=2)


def test_a_chunk_of_unreadable_rows_alone_is_no_trouble() -> None:
    assert Run([Unreadable(1, "not JSON")]).tally == Tally(scored=0, failed=1)


def test_no_rows_make_no_results() -> None:
    assert Run([]).tally == Tally()


def test_a_broken_engine_ends_the_run() -> None:
    predictor = FakePredictor()
    predictor.break_with(EngineBroken("the device is gone"))
    with pytest.raises(ModelUnusable, match="the device is gone"):
        Run([row(1, "a")], predictor)


def test_rows_are_read_a_chunk_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By number, and by size."""
    monkeypatch.setattr(offline, "MAX_CHUNK_BYTES", 1000)
    run = Run([row(i, "x" * (600 if i > 4 else 1)) for i in range(1, 9)], chunk=3)
    assert run.progress == [3, 3, 2]


def test_an_output_file_appears_whole_under_its_name(tmp_path: Path) -> None:
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

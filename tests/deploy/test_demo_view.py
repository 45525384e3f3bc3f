"""What the demo shows, on a terminal and elsewhere."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from deploy.demo.metrics_reader import WorkerMetrics, parse
from deploy.demo.picture import as_svg, pictured
from deploy.demo.sample import LabelledReview
from deploy.demo.scoreboard import Prediction, Scoreboard, ScoredRow, Snapshot
from deploy.demo.view import (
    LAST_LINES,
    LEGEND,
    SPARKLINE_WIDTH,
    Frame,
    Scene,
    opening,
    render,
    seconds,
    show,
    sparkline,
    summary,
)

METRICS = WorkerMetrics(records_read=1_679, batches=20, batch_reviews=1250, model="imdb 1", engine="torch cpu fp32")
NO_METRICS = parse("")
ROWS = tuple(
    ScoredRow(
        LabelledReview(f"id{number}", f"Review {number}: " + "so many words " * 40, number % 2),
        Prediction("positive", 0.987, out_of_domain=False),
    )
    for number in range(50)
)
SHOT = Snapshot(
    published=2_000,
    answered=1_250,
    scored=1_249,
    right=1_099,
    out_of_domain=3,
    dead_letters=1,
    duplicated=0,
    unexpected=0,
    elapsed_s=12.5,
    per_s=100.0,
    per_s_now=110.4,
    per_s_history=tuple(float(number) for number in range(40)),
    latency_p50_s=0.123,
    latency_p99_s=123.4,
    latest=ROWS,
)
SCENE = Scene(
    "Apache Kafka in container sentiment-worker/kafka:4.3.0",
    "127.0.0.1:29092",
    "reviews.raw.demo-1234abcd → worker → reviews.scored.demo-1234abcd",
)
FRAME = Frame(SHOT, METRICS, 2_000, SCENE)
FIRST_FRAME = Frame(Scoreboard().snapshot(0.0), NO_METRICS, 2_000, SCENE)
LAST_FRAME = Frame(replace(SHOT, answered=2_000, scored=2_000), METRICS, 2_000, SCENE)


def printed(renderable: object, *, columns: int, lines: int = 30) -> list[str]:
    console = Console(width=columns, height=lines, file=io.StringIO(), force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get().splitlines()


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (100, 30), (200, 60)])
@pytest.mark.parametrize("frame", [FRAME, FIRST_FRAME])
def test_a_frame_fits_the_terminal(frame: Frame, columns: int, lines: int) -> None:
    picture = printed(render(frame, lines=lines - 1), columns=columns, lines=lines)
    assert len(picture) <= lines - 1
    assert max(map(len, picture)) <= columns


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (100, 30)])
def test_a_frame_uses_all_lines_for_the_latest_reviews(columns: int, lines: int) -> None:
    picture = printed(render(FRAME, lines=lines - 1), columns=columns, lines=lines)
    assert len(picture) == lines - 1
    assert "Review 0" in picture[12]


@pytest.mark.parametrize("columns", [80, 200])
def test_a_frame_leaves_room_for_what_a_terminal_shows_of_ctrl_c(columns: int) -> None:
    assert len(printed(render(FRAME, lines=23), columns=columns)[-1]) <= columns - len("^C")


@pytest.mark.parametrize("columns", [80, 100])
def test_a_frame_shows_every_figure_whole(columns: int) -> None:
    picture = "\n".join(printed(render(FRAME, lines=23), columns=columns))
    for figure in (
        "1,250 of 2,000 scored", "62%", "12.5 s", "110", "100 mean", "123 ms", "123.4 s p99", "321", "750 queued",
        "62.5", "20 batches", "88.0%", "1,099 right", "150 wrong", "imdb 1, torch cpu fp32", "0.987", "positive",
        SCENE.broker, SCENE.address, SCENE.stream, LEGEND,
    ):  # fmt: skip
        assert figure in picture
    assert "right     Review 1:" in picture
    assert "wrong     Review 2:" in picture


def test_lag_is_what_the_worker_has_not_read_and_never_more_than_what_has_no_result() -> None:
    assert FRAME.lag == 321
    assert replace(FRAME, metrics=NO_METRICS).lag == 750  # metrics that are older than the snapshot
    assert replace(FRAME, metrics=replace(METRICS, records_read=2_500)).lag == 0  # read again after a failure
    assert LAST_FRAME.lag == 0


def test_the_summary_gives_every_number_and_who_took_part() -> None:
    text = " ".join(" ".join(printed(summary(FRAME, sample_size=2_000, drained=True), columns=200)).split())
    for fact in (
        "reviews in │ 2,000 │", "reviews out │ 1,249 │", "lost │ 750 │", "duplicated │ 0 │", "dead letters │ 1 │",
        "100 reviews/s over 12.5 s", "p50 123 ms, p99 123.4 s", "88.0% of 1,249 scores agree with the label",
        "out of domain │ 3 of 1,249",
        "imdb 1 (torch cpu fp32)", f"{SCENE.broker} at {SCENE.address}", "stopped in order on SIGTERM, exit status 0",
    ):  # fmt: skip
        assert fact in text


def test_the_summary_says_when_the_sample_was_repeated() -> None:
    text = "\n".join(printed(summary(FRAME, sample_size=800, drained=False), columns=200))
    assert "2,000: 800 different ones, then again with #2" in text
    assert "did not stop in order" in text


def test_a_run_without_any_answer_can_be_summed_up() -> None:
    assert "- of 0 scores" in "\n".join(printed(summary(FIRST_FRAME, sample_size=1, drained=True), columns=200))


def shown(*frames: Frame, **console: Any) -> str:
    """What is written while these frames are shown, one right after the other."""
    output = io.StringIO()
    show(iter(frames), Console(file=output, **console))
    return output.getvalue()


@pytest.mark.parametrize("console", [{"width": 80}, {"force_terminal": True, "_environ": {"TERM": "dumb"}}])
def test_without_a_terminal_or_on_a_dumb_one_there_are_plain_lines_and_not_more_than_one_at_a_time(
    console: dict[str, Any],
) -> None:
    assert shown(FRAME, FRAME, **console) == (
        "1,250 of 2,000 reviews scored, 110/s now, 100/s mean, latency p50 123 ms p99 123.4 s, "
        "lag 321, 750 queued, batch 62.5, accuracy 88.0%\n"
    )


def test_the_last_review_gets_a_plain_line_at_once_and_one_only() -> None:
    lines = shown(FRAME, LAST_FRAME, LAST_FRAME, width=80).splitlines()
    assert [line.split(" reviews")[0] for line in lines] == ["1,250 of 2,000", "2,000 of 2,000"]


def test_a_terminal_gets_its_cursor_back_and_the_frame_that_stays_leaves_room_for_the_summary() -> None:
    live = shown(FRAME, force_terminal=True, width=110, height=34, _environ={"TERM": "xterm"})
    first, *_, stays = live.split(f"{FRAME.total:,} scored")[1:]
    assert "Review 3:" in first
    assert "Review 2:" in stays
    assert "Review 3:" not in stays
    assert live.rstrip().endswith("\x1b[?25h")
    assert LAST_LINES + len(printed(summary(FRAME, sample_size=2_000, drained=True), columns=110)) < 34


@pytest.mark.parametrize("total", [2_000, 4_000])
def test_the_picture_is_drawn_of_the_first_frame_with_half_of_the_answers(total: int, tmp_path: Path) -> None:
    frames = [FIRST_FRAME, replace(FRAME, total=total), LAST_FRAME, LAST_FRAME]
    assert list(pictured(iter(frames), tmp_path / "picture.svg")) == frames
    answered = "1,250" if total == 2_000 else "2,000"
    assert answered in (tmp_path / "picture.svg").read_text("utf-8")


def test_the_picture_shows_the_frame_and_loads_nothing() -> None:
    svg = as_svg(FRAME)
    assert svg.lstrip().startswith("<svg")
    assert "url(" not in svg.replace("url(#", "")
    assert svg.count("http") == 1  # the name space
    assert "1,250" in svg


def test_the_picture_leaves_the_font_to_the_reader_and_fits_it_into_the_cells() -> None:
    svg = as_svg(FRAME)
    texts = svg.count("<text ") - 1  # the title is not in cells
    assert svg.count(' lengthAdjust="spacingAndGlyphs" textLength=') == texts
    assert "Fira" not in svg
    assert "font-size: 21px;" in svg
    assert "clip-path" not in svg.replace('clip-path="url(#demo-clip-terminal)"', "")


def test_a_sparkline_spans_from_nothing_to_the_largest_of_the_last_values() -> None:
    assert sparkline([0, 4, 8]) == "▁▄▇"
    assert sparkline([]) == ""
    assert sparkline([0.0, 0.0]) == "▁▁"
    assert sparkline([1_000.0] + [1.0] * SPARKLINE_WIDTH) == "▇" * SPARKLINE_WIDTH


@pytest.mark.parametrize(
    ("value_s", "text"), [(None, "-"), (0.0123, "12 ms"), (1.234, "1.23 s"), (61.55, "61.5 s"), (0.0, "0 ms")]
)
def test_times_are_written_for_people(value_s: float | None, text: str) -> None:
    assert seconds(value_s) == text


def test_the_opening_of_a_review_is_one_line_that_cannot_steer_the_terminal() -> None:
    assert opening("One<br /><br />two\n\tthree \x1b[31m red [bold]") == "One two three ?[31m red [bold]"
    assert len(opening("word " * 1_000)) <= 200

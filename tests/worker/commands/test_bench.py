import json
from pathlib import Path

from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.fake_predictor import FakePredictor
from worker.cli import main
from worker.commands.bench.engine import FIGURES, measure_engine
from worker.commands.bench.figures import Spread, percentile, spreads
from worker.commands.bench.texts import LONGEST_WORDS, made_up_reviews

VALUES = st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=1, max_size=200)
PERCENTS = st.floats(min_value=0.01, max_value=100)


@given(VALUES, PERCENTS)
def test_a_percentile_is_the_smallest_value_that_enough_values_do_not_exceed(
    values: list[float], percent: float
) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100
    below = [value for value in values if value < found]
    assert len(below) < len(values) * percent / 100


@given(VALUES)
def test_a_spread_has_the_least_the_median_and_the_greatest_value(values: list[float]) -> None:
    spread = Spread.of(values)
    assert (spread.min, spread.max) == (min(values), max(values))
    assert spread.min <= spread.median <= spread.max


def test_rounds_are_summarized_by_figure_even_if_some_rounds_lack_it() -> None:
    summary = spreads([{"a": 3.0, "b": 9.0}, {"a": 1.0}, {"a": 2.0}])
    assert summary == {"a": Spread(1.0, 2.0, 3.0), "b": Spread(9.0, 9.0, 9.0)}


def test_a_spread_is_shown_with_significant_digits_only() -> None:
    assert str(Spread(1200.4, 1210.2, 1220.0)) == "1,210 (1,200 to 1,220)"
    assert str(Spread(0.9, 0.951, 1.0)) == "0.95 (0.90 to 1.00)"


def test_every_figure_of_the_engine_is_measured() -> None:
    figures = measure_engine(FakePredictor(), ["a good film", "a bad one"] * 20, window=10)
    assert list(figures) == list(FIGURES)
    assert all(value > 0 for value in figures.values())


def test_made_up_reviews_are_the_same_each_time_and_of_many_lengths() -> None:
    texts = made_up_reviews(200)
    assert texts == made_up_reviews(200)
    lengths = sorted(len(text.split()) for text in texts)
    assert lengths[-1] <= LONGEST_WORDS
    assert lengths[20] < 100 < 300 < lengths[-20]


def test_the_command_measures_an_artifact_on_a_file_and_prints_json(tiny_artifact: Path, tmp_path: Path) -> None:
    (tmp_path / "reviews.txt").write_text("a good film\nbad\nsee it!\n")
    flags = ["--input", str(tmp_path / "reviews.txt"), "--rounds", "2", "--json", "--model", str(tiny_artifact)]
    done = CliRunner().invoke(main, ["bench", *flags])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["reviews"] == 3
    assert document["model"]["name"] == "tiny"
    assert document["figures"].keys() == FIGURES.keys()
    assert document["machine"]["cores"] >= 1


def test_a_file_without_a_readable_review_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reviews.jsonl").write_text("{\n")
    done = CliRunner().invoke(main, ["bench", "--input", str(tmp_path / "reviews.jsonl")])
    assert done.exit_code == 2
    assert "holds no review that can be read" in done.stderr

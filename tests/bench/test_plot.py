from pathlib import Path

from tests.bench.figures import LOADS, PERCENTILES, latency_name
from tests.bench.plot import plot_latency
from tests.bench.subjects import REFERENCE, SHIPPED
from worker.commands.bench.figures import Spread

LATENCIES = {latency_name(load, name): Spread(load / 2, load, load * 2) for load in LOADS for name in PERCENTILES}
MOST_BYTES = 100_000


def test_latency_is_drawn_of_each_network_that_it_was_measured_of(tmp_path: Path) -> None:
    summary = {SHIPPED: LATENCIES, REFERENCE: LATENCIES, "confluent": {"consume_records_per_s": Spread(1, 1, 1)}}
    assert plot_latency(summary, tmp_path / "latency.svg")
    drawn = (tmp_path / "latency.svg").read_text()
    assert f">{SHIPPED}</text>" in drawn
    assert f">{REFERENCE}</text>" in drawn
    assert "confluent" not in drawn


def test_the_same_figures_give_the_same_small_file(tmp_path: Path) -> None:
    for name in ("once", "again"):
        (tmp_path / name).mkdir()
        plot_latency({SHIPPED: LATENCIES, REFERENCE: LATENCIES}, tmp_path / name / "latency.svg")
    once, again = ((tmp_path / name / "latency.svg").read_bytes() for name in ("once", "again"))
    assert once == again
    assert len(once) < MOST_BYTES


def test_without_latencies_nothing_is_drawn(tmp_path: Path) -> None:
    assert not plot_latency({SHIPPED: {"end_to_end_reviews_per_s": Spread(1, 1, 1)}}, tmp_path / "latency.svg")
    assert not list(tmp_path.iterdir())

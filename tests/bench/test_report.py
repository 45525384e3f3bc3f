import io
import json
from collections.abc import Sequence

from rich.console import Console

from tests.bench.figures import Resident
from tests.bench.page import figures
from tests.bench.report import Report
from tests.bench.rounds import Measured
from tests.bench.subjects import REFERENCE, SHIPPED

MEMORY = tuple(Resident(1000 * step, 512.0) for step in range(1, 51))


def report(
    shipped: Sequence[dict[str, float]], reference: Sequence[dict[str, float]] = (), memory: Sequence[Resident] = MEMORY
) -> Report:
    about: dict[str, object] = {"engine": "torch cpu fp32, 2 threads"} if shipped else {}
    return Report(
        started="2026-01-01T00:00:00+00:00",
        machine={
            "cpu": "a processor", "cores": 2, "flags": ["avx2"], "python": "3.11", "versions": {"torch": "2"},
            "load_average_before": (0.1, 0.2, 0.3),
        },
        broker="a broker at 127.0.0.1:9092",
        reviews=4000,
        measured={SHIPPED: Measured(about, [*shipped]), REFERENCE: Measured({}, [*reference])},
        memory=memory,
    )  # fmt: skip


def three_rounds(engine: float, ratio: float) -> list[dict[str, float]]:
    return [
        {"engine_text_reviews_per_s": engine + step, "end_to_end_of_engine": ratio, "of_naive": 12.0}
        for step in (0, 10, 20)
    ]


MEASURED = report(three_rounds(1200.0, 0.97), three_rounds(400.0, 0.8))


def shown(of: Report) -> str:
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(of.to_tables())
    return console.export_text()


def row(table: str, label: str) -> list[str]:
    line = next(line for line in table.splitlines() if label in line)
    return [cell.strip() for cell in line.strip("│ ").split("│")]


def test_the_table_shows_each_figure_of_each_network_with_its_spread() -> None:
    assert row(shown(MEASURED), "engine on text, reviews/s") == [
        "engine on text, reviews/s",
        "1,210 (1,200 to 1,220)",
        "410 (400 to 420)",
    ]


def test_the_table_says_of_each_bar_whether_it_was_met() -> None:
    table = shown(MEASURED)
    assert row(table, "shipped: end to end / engine on text")[2] == "met"
    assert row(table, "reference-sized: end to end / engine on text")[2] == "not met"
    assert row(table, "memory grows by")[1:] == ["+0.00%, to 512 MiB", "met"]


def test_the_machine_stands_beside_the_figures() -> None:
    table = shown(MEASURED)
    assert row(table, "load average before")[1] == "0.1, 0.2, 0.3"
    assert row(table, "broker")[1] == "a broker at 127.0.0.1:9092"
    assert "torch cpu fp32, 2 threads" in table


def test_parts_that_were_left_out_leave_no_empty_table() -> None:
    table = shown(report([], memory=[]))
    assert "median" not in table
    assert "Memory" not in table
    assert "Bars" not in table


def test_the_json_holds_every_round_and_the_summary() -> None:
    document = json.loads(json.dumps(MEASURED.to_json()))
    assert len(document["subjects"][SHIPPED]["rounds"]) == 3
    assert document["summary"][SHIPPED]["engine_text_reviews_per_s"] == {"min": 1200, "median": 1210, "max": 1220}
    assert len(document["memory"]["samples"]) == 50
    assert [bar["met"] for bar in document["bars"]] == [True, False, True, True]


def test_the_json_says_so_when_memory_was_not_looked_at() -> None:
    assert report([], memory=[]).to_json()["memory"] is None


def page_of(of: Report) -> str:
    return figures(json.loads(json.dumps(of.to_json())))


def test_what_the_benchmark_saved_becomes_tables_without_the_brokers_address() -> None:
    written = page_of(MEASURED)
    assert "| engine on text, reviews/s | 1,210 (1,200 to 1,220) | 410 (400 to 420) |" in written
    assert "| shipped: end to end / engine on text >= 0.95 | 0.97 (0.97 to 0.97) | met |" in written
    assert "2 cores of a processor (avx2)" in written
    assert "127.0.0.1" not in written


def test_the_picture_stands_above_the_latencies_and_only_there() -> None:
    picture = "![Latency against load](images/latency.svg)"
    measured = {"left_reviews_per_s": 900.0, "end_to_end_reviews_per_s": 1200.0}
    assert page_of(report([measured])).partition("**Latency**")[2].lstrip().startswith(picture)
    assert picture not in page_of(report([{"end_to_end_reviews_per_s": 1200.0}]))

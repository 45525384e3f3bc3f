import json
from typing import Any

from tests.bench.figures import Resident
from tests.bench.page import figures
from tests.bench.report import Report
from tests.bench.rounds import Measured
from tests.bench.subjects import REFERENCE, SHIPPED


def saved(shipped: dict[str, float], reference: dict[str, float]) -> Any:
    report = Report(
        started="2026-01-01T00:00:00+00:00",
        machine={"cpu": "a processor", "cores": 2, "flags": ["avx2"], "python": "3.11", "versions": {"torch": "2"}},
        broker="Apache Kafka at 127.0.0.1:9092",
        reviews=4000,
        measured={SHIPPED: Measured({}, [shipped]), REFERENCE: Measured({}, [reference])},
        memory=[Resident(1000 * step, 512.0) for step in range(1, 51)],
    )
    return json.loads(json.dumps(report.to_json()))


def test_what_the_benchmark_saved_becomes_tables_without_the_brokers_address() -> None:
    written = figures(
        saved({"engine_text_reviews_per_s": 1200.0, "end_to_end_of_engine": 0.97}, {"engine_text_reviews_per_s": 400.0})
    )
    assert "| engine on text, reviews/s | 1,200 (1,200 to 1,200) | 400 (400 to 400) |" in written
    assert "| end to end / engine on text | 0.97 (0.97 to 0.97) |" in written
    assert "| shipped: end to end / engine on text >= 0.95 | 0.97 (0.97 to 0.97) | met |" in written
    assert "2 cores of a processor (avx2)" in written
    assert "127.0.0.1" not in written


def test_the_picture_stands_above_the_latencies_and_only_there() -> None:
    picture = "![Latency against load](images/latency.svg)"
    measured = {"left_reviews_per_s": 900.0, "end_to_end_reviews_per_s": 1200.0}
    assert figures(saved(measured, {})).partition("**Latency**")[2].lstrip().startswith(picture)
    assert picture not in figures(saved({"end_to_end_reviews_per_s": 1200.0}, {}))

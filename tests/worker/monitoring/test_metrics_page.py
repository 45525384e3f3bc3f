"""The generated page of the metrics."""

from pathlib import Path

from worker.monitoring.metrics_page import page

ROOT = Path(__file__).parents[3]


def test_the_committed_page_is_up_to_date() -> None:
    assert (ROOT / "docs/metrics.md").read_text("utf-8") == page(), (
        "stale: run python -m worker.monitoring.metrics_page > docs/metrics.md"
    )


def test_labels_have_their_values_if_these_are_few_and_known() -> None:
    assert "| `sentiment_reviews_scored_total` | counter | `sentiment`: `positive`, `negative` | " in page()
    assert "| `sentiment_lag_records` | gauge | `topic`; `partition` | " in page()
    assert "| `sentiment_score` | histogram |  | " in page()

"""The page of metrics is of today's metrics."""

from pathlib import Path

from worker.monitoring.metrics_page import page

ROOT = Path(__file__).parents[3]


def test_the_page_of_metrics_is_the_generated_one() -> None:
    assert (ROOT / "docs/metrics.md").read_text("utf-8") == page(), (
        "renew: python -m worker.monitoring.metrics_page > docs/metrics.md"
    )


def test_labels_are_told_with_the_values_that_are_few_and_known() -> None:
    assert "| `sentiment_reviews_scored_total` | counter | `sentiment`: `positive`, `negative` | " in page()
    assert "| `sentiment_lag_records` | gauge | `topic`; `partition` | " in page()
    assert "| `sentiment_score` | histogram |  | " in page()

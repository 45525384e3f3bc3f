"""The metrics from the worker's `/metrics` that the demo shows."""

from collections import defaultdict
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerMetrics:
    """The worker's metrics at one moment."""

    records_read: int  # from the input topic
    batches: int
    batch_reviews: int  # in all batches
    model: str  # name and version
    engine: str

    @property
    def reviews_per_batch(self) -> float | None:
        """Mean size of the batches so far."""
        return self.batch_reviews / self.batches if self.batches else None


def parse(exposition: str) -> WorkerMetrics:
    """Read Prometheus' text format; a missing counter is 0, a missing label "?"."""
    totals: defaultdict[str, float] = defaultdict(float)
    model: dict[str, str] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            totals[sample.name] += sample.value
            if sample.name == "sentiment_model_info":
                model = sample.labels
    return WorkerMetrics(
        records_read=int(totals["sentiment_records_read_total"]),
        batches=int(totals["sentiment_batch_size_reviews_count"]),
        batch_reviews=int(totals["sentiment_batch_size_reviews_sum"]),
        model=f"{model.get('name', '?')} {model.get('version', '?')}",
        engine=model.get("engine", "?"),
    )

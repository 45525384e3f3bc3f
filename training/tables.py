"""Metrics and shares as Markdown tables."""

from collections.abc import Iterable, Mapping

from training.evaluate import ECE_BINS, Metrics


def metrics_table(metrics: Mapping[str, Metrics]) -> str:
    """One line a labelled set, as a Markdown table."""
    header = ["set", "reviews", "accuracy", "AUC", "log-loss", "ECE"]
    rows = (
        [
            name,
            f"{m.count:,}",
            f"{m.accuracy:.4f}",
            f"{m.auc:.4f}",
            f"{m.log_loss:.4f}",
            f"{m.ece:.4f}",
        ]
        for name, m in metrics.items()
    )
    return markdown_table(header, rows)


def metrics_note() -> str:
    """How the table's numbers are defined."""
    return f"Threshold 0.5; natural logarithm; ECE over {ECE_BINS} bins of equal width of P(positive)."


def confusion_table(name: str, metrics: Metrics) -> str:
    """Truth against answer."""
    rows = [
        ["negative", f"{metrics.true_negatives:,}", f"{metrics.false_positives:,}"],
        ["positive", f"{metrics.false_negatives:,}", f"{metrics.true_positives:,}"],
    ]
    return markdown_table([f"{name}: truth", "scored negative", "scored positive"], rows)


def suite_table(shares: Mapping[str, float]) -> str:
    """What the dev suite comes to."""
    return markdown_table(["what", "share"], ([name, f"{share:.4f}"] for name, share in shares.items()))


def kinds_table(kinds: Mapping[str, tuple[int, float]]) -> str:
    """Kind of pair -> how many there are, and the share of which both are right."""
    rows = ([kind, f"{count:,}", f"{share:.2f}"] for kind, (count, share) in kinds.items())
    return markdown_table(["opposites by", "pairs", "both right"], rows)


def markdown_table(header: list[str], rows: Iterable[list[str]]) -> str:
    """One line a row."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

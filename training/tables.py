"""Metrics and shares as Markdown tables."""

from collections.abc import Iterable, Mapping

from training.evaluate import ECE_BINS, ClassificationMetrics


def metrics_table(metrics: Mapping[str, ClassificationMetrics]) -> str:
    """One line per labelled set."""
    header = ["set", "reviews", "accuracy", "AUC", "log-loss", "ECE"]
    rows = (
        [name, f"{m.count:,}", *(f"{value:.4f}" for value in (m.accuracy, m.auc, m.log_loss, m.ece))]
        for name, m in metrics.items()
    )
    return markdown_table(header, rows)


def metrics_note() -> str:
    """How the numbers of `metrics_table` are defined."""
    return f"Threshold 0.5; natural logarithm; ECE over {ECE_BINS} bins of equal width of P(positive)."


def confusion_table(name: str, metrics: ClassificationMetrics) -> str:
    """True labels against the model's answers."""
    rows = [
        ["negative", f"{metrics.true_negatives:,}", f"{metrics.false_positives:,}"],
        ["positive", f"{metrics.false_negatives:,}", f"{metrics.true_positives:,}"],
    ]
    return markdown_table([f"{name}: truth", "scored negative", "scored positive"], rows)


def suite_table(shares: Mapping[str, float]) -> str:
    """The results of the dev suite, each a share."""
    return markdown_table(["what", "share"], ([name, f"{share:.4f}"] for name, share in shares.items()))


def kinds_table(kinds: Mapping[str, tuple[int, float]]) -> str:
    """Kind of pair -> number of pairs, and the share of which both texts are right."""
    rows = ([kind, f"{count:,}", f"{share:.2f}"] for kind, (count, share) in kinds.items())
    return markdown_table(["opposites by", "pairs", "both right"], rows)


def markdown_table(header: list[str], rows: Iterable[list[str]]) -> str:
    """A Markdown table, one line per row."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

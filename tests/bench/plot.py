"""The picture of latency against load."""

from collections.abc import Mapping
from pathlib import Path

from tests.bench.figures import LOADS, PERCENTILES, latency_name
from worker.bench.figures import Spread


def plot_latency(summary: Mapping[str, Mapping[str, Spread]], path: Path) -> bool:
    """Save it as an image; False where latency was not measured."""
    measured = {name: figures for name, figures in summary.items() if latency_name(LOADS[0], "p50") in figures}
    if not measured:
        return False
    from matplotlib.figure import Figure  # slow to import, and only `make bench` has it

    figure = Figure(figsize=(5 * len(measured), 4), layout="constrained")
    panels = figure.subplots(1, len(measured), sharey=True, squeeze=False)[0]
    for axes, (subject, figures) in zip(panels, measured.items(), strict=True):
        for name in PERCENTILES:
            spreads = [figures[latency_name(load, name)] for load in LOADS]
            [line] = axes.plot(LOADS, [spread.median for spread in spreads], marker="o", label=name.replace("_", "."))
            axes.fill_between(
                LOADS, [spread.min for spread in spreads], [spread.max for spread in spreads],
                color=line.get_color(), alpha=0.15,
            )  # fmt: skip
        axes.set(title=subject, xlabel="load, % of what was measured end to end", yscale="log")
        axes.grid(visible=True, which="both", alpha=0.3)
    panels[0].set_ylabel("ms from due to read; least, median, greatest of the rounds")
    panels[0].legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return True

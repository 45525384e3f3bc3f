"""The picture of latency against load."""

from collections.abc import Mapping
from pathlib import Path

from tests.bench.figures import LOADS, PERCENTILES, latency_name
from worker.commands.bench.figures import Spread


def plot_latency(summary: Mapping[str, Mapping[str, Spread]], path: Path) -> bool:
    """Save it as an SVG; False where latency was not measured."""
    measured = {name: figures for name, figures in summary.items() if latency_name(LOADS[0], "p50") in figures}
    if not measured:
        return False
    import matplotlib as mpl  # slow to import, and only `make bench` has it
    from matplotlib.figure import Figure
    from matplotlib.ticker import StrMethodFormatter

    # Letters stay letters, and the same figures give the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": path.stem}):
        figure = Figure(figsize=(5 * len(measured), 4), layout="constrained")
        panels = figure.subplots(1, len(measured), sharey=True, squeeze=False)[0]
        for axes, (subject, figures) in zip(panels, measured.items(), strict=True):
            for name in PERCENTILES:
                spreads = [figures[latency_name(load, name)] for load in LOADS]
                [line] = axes.plot(LOADS, [one.median for one in spreads], marker="o", label=name.replace("_", "."))
                axes.fill_between(
                    LOADS, [one.min for one in spreads], [one.max for one in spreads],
                    color=line.get_color(), alpha=0.15,
                )  # fmt: skip
            axes.set(title=subject, xlabel="load, % of the capacity beside sender and reader", yscale="log")
            axes.set_xticks(LOADS)
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            axes.grid(visible=True, which="both", alpha=0.3)
        panels[0].set_ylabel("ms from due to read")
        panels[0].legend(title="median, minimum to maximum", fontsize="small", title_fontsize="small")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
    return True

"""A soak as people read it: a table, a plot, and all of it as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.soak.run import Soak
from tests.soak.verdict import Growth

UNITS = {
    "memory_mib": "resident memory, MiB",
    "threads": "threads",
    "files": "open files and sockets",
    "series": "series on /metrics",
}
COLOURS = ("#4269d0", "#ff725c")


def table(growths: Sequence[Growth]) -> str:
    """Return Markdown: a row a gauge, a worker in two columns."""
    workers = list(dict.fromkeys(one.worker for one in growths))
    found = {(one.gauge, one.worker): one for one in growths}
    head = [f"{worker}, {third} third" for worker in workers for third in ("second", "last")]
    rows = [
        [UNITS[gauge], *(f"{value:.4g}" for worker in workers for value in found[gauge, worker][2:])] for gauge in UNITS
    ]
    lines = [["median of", *head], ["---"] * (len(head) + 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def summary(soak: Soak) -> str:
    """Return a sentence: how much went through, and what was wrong with it."""
    last = soak.progress[-1]
    return (
        f"{last.sent:,} records in {last.at_s / 60:.0f} minutes, {len(soak.changes_s)} changes of the group, "
        f"{len(soak.faults)} faults."
    )


def to_json(soak: Soak, growths: Sequence[Growth], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, plain."""
    return {**facts, "growths": [one._asdict() for one in growths], **asdict(soak)}


def plot(soak: Soak, path: Path) -> None:
    """Draw the load and every gauge over time; a grey line where the group changed."""
    figure = Figure(figsize=(9, 8), layout="constrained")
    load, *others = figure.subplots(1 + len(UNITS), 1, sharex=True)
    minutes = [one.at_s / 60 for one in soak.progress]
    load.plot(minutes[1:], _rates(soak), color="#6c757d", linewidth=1)
    _title(load, "records sent, 1/s")
    for axes, (gauge, unit) in zip(others, UNITS.items(), strict=True):
        for (worker, taken), colour in zip(soak.samples.items(), COLOURS, strict=True):
            values = [getattr(one, gauge) for one in taken]
            axes.plot([one.at_s / 60 for one in taken], values, color=colour, linewidth=1, label=worker)
        _title(axes, unit)
    for axes in (load, *others):
        for at_s in soak.changes_s:
            axes.axvline(at_s / 60, color="#dddddd", linewidth=0.6, zorder=0)
        axes.set_ylim(bottom=0)
    others[0].legend(loc="lower right", frameon=False, ncols=2)
    others[-1].set_xlabel("minutes")
    figure.savefig(path, dpi=110)


def _rates(soak: Soak) -> list[float]:
    pairs = zip(soak.progress, soak.progress[1:], strict=False)
    return [(after.sent - before.sent) / (after.at_s - before.at_s) for before, after in pairs]


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)

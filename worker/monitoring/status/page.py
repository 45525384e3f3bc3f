"""The status page: a `StatusDocument` as HTML, by the template `status.html`. Pure but for reading the template."""

from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from worker.monitoring.status.document import StatusDocument, StoredStatus
from worker.monitoring.status.formats import ago, duration, number, percent, size
from worker.monitoring.status.plot import Line, Plot


def page(status: StatusDocument) -> str:
    """Return the whole page. It loads nothing but the worker's own style sheet and script."""
    return _template().render(status=status, plots=_plots(status.slots))


@cache
def _template() -> Template:
    """Every value that the template inserts is escaped; a name that it misspells is an error."""
    environment = Environment(
        loader=PackageLoader(__package__, package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "ago": ago,
        "duration": duration,
        "number": number,
        "percent": percent,
        "size": size,
    }
    return environment.get_template("status.html")


def _plots(slots: Sequence[StoredStatus]) -> list[Plot]:
    throughput = Line("reviews a second", "first", [slot.reviews_per_s for slot in slots])
    p50 = Line("p50", "first", [slot.p50_s for slot in slots])
    p99 = Line("p99", "second", [slot.p99_s for slot in slots])
    return [
        Plot("Reviews scored a second", number, [throughput]),
        Plot("End-to-end latency", duration, [p50, p99]),
    ]

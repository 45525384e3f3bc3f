"""Numbers as people read them; filters of the page's template. Pure."""

from datetime import datetime
from typing import Final

NOTHING: Final = "–"
UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def number(value: float | None) -> str:
    """Three digits, or all digits before the point: 0.25, 12.3, 1,834."""
    if value is None:
        return NOTHING
    if value == int(value) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def duration(seconds: float | None) -> str:
    """In the unit that gives a short number: 8.2 ms, 106 ms, 1.24 s, 3 min 20 s, 2 d 4 h."""
    if seconds is None:
        return NOTHING
    if seconds < 0.9995:
        return f"{_short(seconds * 1000)} ms"
    if seconds < 60:
        return f"{_short(seconds)} s"
    smaller = (*UNITS[1:], (1, "s"))
    for (size_s, unit), (part_s, part) in zip(UNITS, smaller, strict=True):
        if seconds >= size_s:
            whole, rest = divmod(int(seconds), size_s)
            return f"{whole} {unit} {rest // part_s} {part}" if rest // part_s else f"{whole} {unit}"
    raise AssertionError(seconds)


def ago(at: datetime, now: datetime) -> str:
    """Whole seconds from `at` to `now`: "2 s ago", or "now"."""
    seconds = round((now - at).total_seconds())
    return f"{duration(seconds)} ago" if seconds else "now"


def size(in_bytes: int | None) -> str:
    """In the binary unit that gives a short number: 512 B, 1.50 MiB."""
    if in_bytes is None:
        return NOTHING
    value, units = float(in_bytes), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{number(round(value, 1))} {units[0]}"


def percent(share: float) -> str:
    """Whole percent."""
    return f"{100 * share:.0f} %"


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 999.5 else f"{value:.0f}"

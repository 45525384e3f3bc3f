"""Grafana's JSON for the kinds of panel in our dashboards."""

from collections.abc import Sequence
from typing import Any, Final

Json = dict[str, Any]

SOURCE: Final[Json] = {"type": "prometheus", "uid": "${datasource}"}
WIDTH: Final = 24  # units of Grafana's grid
HEIGHT: Final = 8


def lines(title: str, unit: str, *queries: tuple[str, str], text: str = "", stacked: bool = False) -> Json:
    """Curves over time; `queries` are pairs of legend and query. `{{label}}` in a legend is the label's value."""
    options = {"drawStyle": "line", "fillOpacity": 10, "stacking": {"mode": "normal" if stacked else "none"}}
    return _panel("timeseries", title, text, queries) | {
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": options}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
    }


def heat_map(title: str, unit: str, query: str, *, text: str = "") -> Json:
    """A histogram over time; the query must keep the label `le`."""
    panel = _panel("heatmap", title, text, [("{{le}}", query)])
    panel["targets"][0]["format"] = "heatmap"  # turns the cumulative buckets into single ones
    panel["options"] = {
        "calculate": False,
        "color": {"mode": "scheme", "scheme": "Blues", "exponent": 0.5, "steps": 64},
        "yAxis": {"unit": unit},
        "cellGap": 1,
        "tooltip": {"show": True, "yHistogram": True},
    }
    return panel


def number(title: str, unit: str, query: str, *, bad_from: float | None = None, text: str = "") -> Json:
    """One figure, which is red from `bad_from` on."""
    steps: list[Json] = [{"color": "green", "value": None}]
    if bad_from is not None:
        steps.append({"color": "red", "value": bad_from})
    defaults = {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}}
    return _panel("stat", title, text, [("", query)]) | {
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"},
    }


def dashboard(name: str, rows: Sequence[Sequence[Json]]) -> Json:
    """A dashboard of rows of equally wide panels. Its variables `job` and `instance` choose the workers."""
    panels = [
        panel | {"id": 100 * y + x + 1, "gridPos": {"x": x * width, "y": y * HEIGHT, "w": width, "h": HEIGHT}}
        for y, row in enumerate(rows)
        for width in [WIDTH // len(row)]
        for x, panel in enumerate(row)
    ]
    return {
        "uid": f"sentiment-{name}",
        "title": f"Sentiment worker: {name}",
        "tags": ["sentiment-worker"],
        "links": [{"type": "dashboards", "tags": ["sentiment-worker"], "title": "", "keepTime": True}],
        "schemaVersion": 39,
        "timezone": "utc",
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "30s",
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus"},
                _variable("job", "label_values(sentiment_ready, job)"),
                _variable("instance", 'label_values(sentiment_ready{job=~"$job"}, instance)'),
            ]
        },
        "panels": panels,
    }


def _panel(kind: str, title: str, text: str, queries: Sequence[tuple[str, str]]) -> Json:
    targets = [
        {"refId": chr(ord("A") + number), "datasource": SOURCE, "expr": query, "legendFormat": legend}
        for number, (legend, query) in enumerate(queries)
    ]
    return {"type": kind, "title": title, "description": text, "datasource": SOURCE, "targets": targets}


def _variable(name: str, query: str) -> Json:
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,  # also when the time range changes: workers come and go
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }

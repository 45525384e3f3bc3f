"""The status page: a `StatusDocument` as HTML that needs nothing from elsewhere. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from worker.monitoring.status.document import (
    AssignmentStatus,
    BatchingStatus,
    BatchStatus,
    SettingStatus,
    StatusDocument,
    StoredStatus,
)
from worker.monitoring.status.formats import NOTHING, duration, number, percent, size
from worker.monitoring.status.markup import Markup, element, joined
from worker.monitoring.status.plot import Line, plot
from worker.scoring.batcher import Trigger
from worker.scoring.pricing import Why

WHY: Final = {
    Trigger.SIZE: "as many reviews as max_batch_reviews allows",
    Trigger.TOKENS: "one more would have exceeded max_batch_tokens",
    Trigger.DEADLINE: "the engine was idle, and the oldest had been passed over for max_wait_ms",
    Trigger.IDLE: "the engine was idle, and the oldest had waited linger_ms for company",
    Trigger.DRAIN: "the worker stops",
}
BUDGETS: Final = {
    Why.FIXED: "A batch takes up to {tokens} padded tokens; no latency target is set.",
    Why.LEARNING: "A batch takes up to {tokens} padded tokens until its price is known; the target is {target}.",
    Why.TARGET: "A batch takes up to {tokens} padded tokens, for a latency target of {target}.",
    Why.BEHIND: "A batch takes up to {tokens} padded tokens, the most: what waits takes longer than {target}.",
}
OLD_S: Final = 5.0  # the loop looks around once a second
COLUMNS: Final = {"n": "number", "t": None, "l": "long"}  # classes of the style sheet


def page(status: StatusDocument) -> str:
    """Return the whole page; `status.js` puts what lies in `main` in the place of the old."""
    group = str(status.settings["group_id"].value)
    return "<!doctype html>\n" + element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("title", f"{status.state}: {group}"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("link", rel="icon", href="data:,"),
            element("link", rel="stylesheet", href="status.css"),
            element("script", src="status.js", defer=True),
        ),
        element("body", _banner(group), element("main", *_content(status)), _footer(status)),
        lang="en",
    )


def _banner(group: str) -> Markup:
    still = joined("Scripts are off: this page stands still. ", element("a", "Reload it", href=""))
    return element(
        "header",
        element("h1", "Sentiment worker ", element("span", group, class_="quiet")),
        element("p", id="notice", role="status"),
        element("button", "Pause updates", id="pause", type="button", aria_pressed="false", hidden=True),
        element("noscript", element("p", still)),
    )


def _footer(status: StatusDocument) -> Markup:
    links = (("metrics", "for Prometheus"), ("livez", "alive?"), ("readyz", "scoring?"), ("status.json", "this page"))
    return element(
        "footer",
        element(
            "nav",
            *(element("span", element("a", f"/{path}", href=path), f" {what}") for path, what in links),
            aria_label="Other pages",
        ),
        element("span", f"version {status.version}"),
    )


def _content(status: StatusDocument) -> Iterable[Markup]:
    yield _state(status)
    yield _figures(status)
    yield _plots(status.slots)
    stacks = ((_partitions(status), _batches(status)), (_dead_letters(status), _reviews(status)))
    yield element("div", *(element("div", *stack, class_="stack") for stack in stacks), class_="pair")
    yield _configuration(status.settings)


def _state(status: StatusDocument) -> Markup:
    model = status.model
    facts = [
        ("Model", "not loaded yet" if model is None else f"{model.name} {model.version}"),
        ("Digest", NOTHING if model is None else element("code", model.sha256[:12], title=model.sha256)),
        ("Engine", NOTHING if model is None else model.engine),
        ("Up for", duration(status.uptime_s)),
        ("Loop turned", f"{duration(status.last_turn_age_s)} ago"),
    ]
    return element(
        "section",
        element(
            "div",
            # The word alone is announced: the reason may hold a number that changes all the time.
            element("div", element("h2", status.state, class_=f"state {status.state}"), role="status"),
            element("p", _sentence(status), class_="reason"),
        ),
        _terms(facts),
        class_="now",
    )


def _sentence(status: StatusDocument) -> str:
    answers = f"livez {'200' if status.live else '503'}, readyz {'200' if status.ready else '503'}"
    return f"{status.reason[:1].upper()}{status.reason[1:]}. {answers}"


def _terms(facts: Iterable[tuple[str, str]]) -> Markup:
    return element("dl", *(element("div", element("dt", term), element("dd", fact)) for term, fact in facts))


def _figures(status: StatusDocument) -> Markup:
    minute, quarter = status.last_minute, status.last_15_minutes
    assignment = status.assignment
    most_records = number(_limit(status.settings, "max_inflight_records"))
    most_bytes = size(int(_limit(status.settings, "max_inflight_bytes")))
    seen = _seen_if_old(status)
    figures = [
        ("Reviews / s", number(minute.reviews_per_s), f"{number(quarter.reviews_per_s)} over 15 min"),
        ("Latency p50", duration(minute.p50_s), f"{duration(quarter.p50_s)} over 15 min"),
        ("Latency p99", duration(minute.p99_s), f"{duration(quarter.p99_s)} over 15 min"),
        ("Lag", number(_lag(assignment)), f"records not read yet{seen}"),
        (
            "Held",
            NOTHING if assignment is None else number(assignment.held_records),
            f"of {most_records}; {size(assignment.held_bytes) if assignment else NOTHING} of {most_bytes}{seen}",
        ),
        ("Dead letters", number(quarter.dead_letters), "in 15 min"),
    ]
    tiles = (
        element("div", element("dt", name), element("dd", element("b", value), element("small", more)))
        for name, value, more in figures
    )
    return element(
        "section",
        _heading("The last minute", class_="unseen"),
        element("dl", *tiles, class_="figures"),
    )


def _seen_if_old(status: StatusDocument) -> str:
    """When the loop looked last, where it should have looked again since: figures of then are none of now."""
    if status.assignment is None or (status.at - status.assignment.at).total_seconds() <= OLD_S:
        return ""
    return f"; seen {_ago(status.assignment.at, status.at)}"


def _limit(settings: dict[str, SettingStatus], name: str) -> float:
    return float(settings[name].value or 0)


def _lag(assignment: AssignmentStatus | None) -> int | None:
    told = [partition.lag for partition in assignment.partitions if partition.lag is not None] if assignment else []
    return sum(told) if told else None


def _plots(slots: Sequence[StoredStatus]) -> Markup:
    throughput = [Line("reviews a second", "first", [slot.reviews_per_s for slot in slots])]
    latency = [
        Line("p50", "first", [slot.p50_s for slot in slots]),
        Line("p99", "second", [slot.p99_s for slot in slots]),
    ]
    rows = (
        [
            _time(slot.ended_at, f"{slot.ended_at:%H:%M:%S}"),
            number(slot.reviews_per_s),
            number(slot.dead_letters),
            duration(slot.p50_s),
            duration(slot.p99_s),
        ]
        for slot in reversed(slots)
    )
    table = _table("Until, UTC|Reviews / s|Dead letters|p50|p99", rows, "The last 15 minutes", columns="tnnnn")
    return element(
        "section",
        _heading("The last 15 minutes", class_="unseen"),
        element(
            "div",
            plot("Reviews scored a second", throughput, text_of=number),
            plot("End-to-end latency", latency, text_of=duration),
            class_="pair",
        ),
        element("details", element("summary", "These 15 minutes as a table"), table),
    )


def _partitions(status: StatusDocument) -> Markup:
    assignment = status.assignment
    if assignment is None or not assignment.partitions:
        return _section("Assignment", element("p", "No partition is assigned.", class_="quiet"))
    rows = [[one.topic, str(one.partition), number(one.lag)] for one in assignment.partitions]
    looked = f"seen {_ago(assignment.at, status.at)}"
    return _section("Assignment", _table("Topic|Partition|Lag", rows, "Assignment", columns="tnn"), note=looked)


def _batches(status: StatusDocument) -> Markup:
    batches = status.batches
    if not batches:
        return _section("Last batches", element("p", "No batch yet.", class_="quiet"))
    explained = [element("p", _explain(status.batching), class_="quiet")] if status.batching else []
    table = _table(
        "When|Reviews|Left because|Tokens|Padding|Waited|Computed",
        [_batch(batch, status.at) for batch in batches],
        "Last batches",
        columns="tntnnnn",
    )
    triggers = sorted({batch.trigger for batch in batches})
    return _section("Last batches", *explained, table, _terms((trigger, WHY[trigger]) for trigger in triggers))


def _explain(batching: BatchingStatus) -> str:
    sentence = BUDGETS[batching.why].format(tokens=number(batching.budget_tokens), target=duration(batching.target_s))
    if batching.batch_s is None or batching.token_s is None:
        return sentence
    each = duration(1000 * batching.token_s)
    return f"{sentence} The engine takes {duration(batching.batch_s)} for a batch and {each} for each 1,000 tokens."


def _batch(batch: BatchStatus, now: datetime) -> Sequence[str]:
    return [
        _time(batch.at, _ago(batch.at, now)),
        number(batch.reviews),
        batch.trigger,
        number(batch.tokens),
        percent(batch.padding_ratio),
        duration(batch.waited_s),
        duration(batch.inference_s),
    ]


def _dead_letters(status: StatusDocument) -> Markup:
    if not status.dead_letters:
        return _section("Last dead letters", element("p", "None since the start.", class_="quiet"))
    rows = (
        [
            _time(letter.at, _ago(letter.at, status.at)),
            f"{letter.topic}-{letter.partition}-{letter.offset}",
            letter.reason,
            _foreign(letter.error),
        ]
        for letter in status.dead_letters
    )
    return _section(
        "Last dead letters", _table("When|Record|Reason|In words", rows, "Last dead letters", columns="tttl")
    )


def _reviews(status: StatusDocument) -> Markup:
    if status.reviews is None:
        hidden = joined("Hidden by ", element("code", "status_reviews = false"), ".")
        return _section("Last scored reviews", element("p", hidden, class_="quiet"))
    if not status.reviews:
        return _section("Last scored reviews", element("p", "None since the start.", class_="quiet"))
    rows = (
        [
            _time(review.at, _ago(review.at, status.at)),
            _foreign(review.review_id),
            element("span", review.sentiment, class_=review.sentiment),
            f"{review.score:.3f}",
        ]
        for review in status.reviews
    )
    table = _table("When|Review|Sentiment|Score", rows, "Last scored reviews", columns="tltn")
    return _section("Last scored reviews", table, note="texts are not kept")


def _configuration(settings: dict[str, SettingStatus]) -> Markup:
    changed = {name: setting for name, setting in settings.items() if setting.changed}
    parts = [_settings(changed, "Settings that differ from their default")] if changed else []
    every = element("summary", f"All {len(settings)} settings")
    return _section(
        "Configuration",
        *parts,
        element("details", every, _settings(settings, "All settings")),
        note=f"{len(changed)} of {len(settings)} differ from their default; secrets are masked",
    )


def _settings(settings: dict[str, SettingStatus], label: str) -> Markup:
    rows = ([element("code", name), _value(setting)] for name, setting in settings.items())
    return _table("Setting|Value", rows, label, columns="tl")


def _value(setting: SettingStatus) -> str:
    if setting.value is None:
        return "not set"
    return str(setting.value).lower() if isinstance(setting.value, bool) else str(setting.value)


def _section(title: str, *content: Markup, note: str = "") -> Markup:
    return element("section", _heading(title, note), *content)


def _heading(title: str, note: str = "", class_: str | None = None) -> Markup:
    notes = [" ", element("span", note, class_="quiet")] if note else []
    return element("h2", title, *notes, class_=class_)


def _table(head: str, rows: Iterable[Sequence[str]], label: str, *, columns: str) -> Markup:
    """Return a table that scrolls by itself where it is too wide.

    `columns` has a letter for each: n for numbers, t for what stays on one line, l for what is broken where it must.
    """
    kinds = [COLUMNS[column] for column in columns]
    titles = (
        element("th", title, scope="col", class_=kind) for title, kind in zip(head.split("|"), kinds, strict=True)
    )
    body = (
        element("tr", *(element("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)))
        for row in rows
    )
    table = element("table", element("thead", element("tr", *titles)), element("tbody", *body))
    return element("div", table, class_="scrolls", role="region", tabindex="0", aria_label=label)


def _foreign(text: str) -> Markup:
    """What others wrote may be of any direction: it must not turn what stands beside it."""
    return element("bdi", text)


def _time(at: datetime, text: str) -> Markup:
    return element("time", text, datetime=at.isoformat(timespec="milliseconds"), title=f"{at:%Y-%m-%d %H:%M:%S} UTC")


def _ago(at: datetime, now: datetime) -> str:
    return f"{duration(float(round((now - at).total_seconds())))} ago".replace("0 ms ago", "now")

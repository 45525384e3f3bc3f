"""The page and its parts, as text: escaped, complete, and loading nothing from elsewhere."""

import re
from html.parser import HTMLParser
from math import isclose
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError
from pydantic import BaseModel

from tests.support.status_example import BEGAN_S, INJECTIONS, NOW_S, busy_recorder, document
from worker.monitoring.health import Health
from worker.monitoring.status import formats
from worker.monitoring.status.document import StatusDocument
from worker.monitoring.status.page import page
from worker.monitoring.status.plot import Line, Plot, ceiling
from worker.monitoring.status.recorder import Recorder
from worker.scoring.batcher import Trigger
from worker.scoring.pricing import Why
from worker.settings.schema import Settings

VOID = frozenset({"link", "meta"})  # elements without an end tag


class Parsed(HTMLParser):
    """The elements and the text of a page; fails where an end tag does not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def outline(self) -> list[tuple[str, list[str]]]:
        """Tags and the names of their attributes, without any value."""
        return [(tag, [*attributes]) for tag, attributes in self.elements]


def with_every_text(value: Any, text: str) -> Any:
    """A copy of `value`, a part of a document, with `text` in place of every string in it but those of an enum."""
    if isinstance(value, BaseModel):
        return value.model_copy(update={name: with_every_text(part, text) for name, part in value})
    if isinstance(value, dict):
        return {key: with_every_text(part, text) for key, part in value.items()}
    if isinstance(value, list):
        return [with_every_text(part, text) for part in value]
    return text if type(value) is str else value


@pytest.fixture(scope="module")
def busy() -> StatusDocument:
    return document(busy_recorder(review_ids=INJECTIONS))


@pytest.fixture(scope="module")
def short(busy: StatusDocument) -> StatusDocument:
    """The same without slots, which hold no text: quicker to render."""
    return busy.model_copy(update={"slots": []})


@pytest.fixture(scope="module")
def outline(short: StatusDocument) -> list[tuple[str, list[str]]]:
    """Of the same with harmless texts."""
    return Parsed(page(with_every_text(short, "plain"))).outline()


@settings(deadline=None)  # the first example compiles the template
@given(st.text(min_size=1) | st.sampled_from(INJECTIONS) | st.text("<>&\"'=/!-{}%# ab", min_size=1))
def test_any_text_in_any_field_stays_text(
    short: StatusDocument, outline: list[tuple[str, list[str]]], text: str
) -> None:
    parsed = Parsed(page(with_every_text(short, text)))
    assert parsed.outline() == outline
    assert parsed.texts.count(text) >= len(short.dead_letters) + len(short.reviews or [])
    assert text in [attributes.get("title") for attributes in parsed.all("code")]


@pytest.mark.parametrize("injection", INJECTIONS)
def test_an_id_that_is_markup_is_shown_as_text(busy: StatusDocument, injection: str) -> None:
    parsed = Parsed(page(busy))
    assert injection in parsed.texts
    assert [script.get("src") for script in parsed.all("script")] == ["status.js"]
    assert not parsed.all("img")
    assert len(parsed.all("h1")) == 1


def test_settings_that_are_markup_are_shown_as_text() -> None:
    parsed = Parsed(page(document(Recorder(BEGAN_S, keeps_reviews=True), settings=Settings(group_id=INJECTIONS[0]))))
    assert len(parsed.all("script")) == 1
    assert INJECTIONS[0] in parsed.texts


def test_the_page_loads_nothing_from_elsewhere(busy: StatusDocument) -> None:
    parsed = Parsed(page(busy))
    named = [value for _, attributes in parsed.elements for key, value in attributes.items() if key in ("src", "href")]
    assert set(named) == {"data:,", "status.css", "status.js", "metrics", "livez", "readyz", "status.json", ""}
    assert not any("style" in attributes for _, attributes in parsed.elements)
    assert not any(key.startswith("on") for _, attributes in parsed.elements for key in attributes)


def test_every_drawing_has_a_summary_and_a_table_of_its_numbers(busy: StatusDocument) -> None:
    html = page(busy)
    drawings = Parsed(html).all("svg")
    assert [drawing["role"] for drawing in drawings] == ["img", "img"]
    assert all("last 15 minutes" in (drawing["aria-label"] or "") for drawing in drawings)
    for slot in busy.slots:
        assert f">{formats.number(slot.reviews_per_s)}</td>" in html
        assert f">{formats.duration(slot.p99_s)}</td>" in html


def explanations(status: StatusDocument) -> dict[str, str]:
    """Why a batch was sent, by trigger, from the list below the last batches."""
    facts = re.findall("<dt>([^<]+)</dt><dd>([^<]+)</dd>", page(status))
    return {term: fact for term, fact in facts if term in [*Trigger]}


def test_each_trigger_that_occurred_is_explained(busy: StatusDocument) -> None:
    assert set(explanations(busy)) == {batch.trigger for batch in busy.batches}
    each = [busy.batches[0].model_copy(update={"trigger": trigger}) for trigger in Trigger]
    every = explanations(busy.model_copy(update={"batches": each}))
    assert set(every) == set(Trigger)
    assert len(set(every.values())) == len(Trigger)
    assert every[Trigger.SIZE] == "it had as many reviews as max_batch_reviews allows"


BUDGETS = {
    Why.FIXED: "; no latency target is set",
    Why.LEARNING: " until the first batch is measured; the latency target is 500 ms",
    Why.TARGET: ", to meet a latency target of 500 ms",
    Why.BEHIND: ", as many as are allowed, because the waiting reviews take longer than the latency target of 500 ms",
}


@pytest.mark.parametrize("why", Why)
def test_the_size_of_the_next_batch_is_explained(busy: StatusDocument, why: Why) -> None:
    batching = busy.batching
    assert batching is not None
    html = page(busy.model_copy(update={"batching": batching.model_copy(update={"why": why})}))
    expected = f"A batch takes up to 49,152 padded tokens{BUDGETS[why]}."
    assert f"{expected} The engine takes 1.2 ms for a batch and 2.5 ms for each 1,000 tokens." in html


def test_a_reason_that_the_template_does_not_know_is_an_error(busy: StatusDocument) -> None:
    assert busy.batching is not None
    unknown = busy.batching.model_copy(update={"why": "unknown"})
    with pytest.raises(UndefinedError):
        page(busy.model_copy(update={"batching": unknown}))


def test_an_empty_worker_has_a_page_that_says_so() -> None:
    health = Health(stall_timeout_s=60.0, now_s=BEGAN_S)
    texts = Parsed(page(document(Recorder(BEGAN_S, keeps_reviews=True), now_s=BEGAN_S, health=health))).texts
    assert {"starting", "not loaded yet", "No partition is assigned.", "No batch yet.", "None since the start."} <= set(
        texts
    )


def test_the_page_says_that_reviews_are_hidden() -> None:
    assert "status_reviews = false" in page(document(busy_recorder(keeps_reviews=False)))


def test_what_a_stuck_loop_saw_last_is_marked_as_old(busy: StatusDocument) -> None:
    old = Parsed(page(document(busy_recorder(), now_s=NOW_S + 100))).texts
    assert sum(text.endswith("; seen 1 min 41 s ago") for text in old) == 2  # lag and what is held
    assert not any("; seen" in text for text in Parsed(page(busy)).texts)


def test_a_worker_that_is_not_ready_says_why() -> None:
    texts = Parsed(page(document(busy_recorder(), now_s=NOW_S + 100))).texts
    assert "The loop has not turned for 100 s. livez 503, readyz 503" in texts


@given(st.floats(1e-6, 1e12))
def test_an_axis_ends_at_a_round_number_not_far_above_the_greatest_value(most: float) -> None:
    top = ceiling(most)
    assert most <= top or isclose(most, top)
    assert top <= 2.5 * most * (1 + 1e-9)
    assert f"{top:e}".startswith(("1.000000e", "2.000000e", "5.000000e"))


@given(st.lists(st.none() | st.floats(0.0, 1e6), max_size=60))
def test_a_line_stays_inside_the_drawing_and_starts_again_after_each_gap(values: list[float | None]) -> None:
    line = Line("p50", "first", values)
    drawn = Plot("Latency", formats.duration, [line]).path(line)
    points = [tuple(map(float, point.removesuffix("h0").split())) for point in drawn.replace("M", "L").split("L")[1:]]
    assert all(0 <= x <= Plot.WIDTH and 0 <= y <= Plot.HEIGHT for x, y in points)
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert len(points) == sum(value is not None for value in values)
    runs = sum(value is not None and (not number or values[number - 1] is None) for number, value in enumerate(values))
    assert drawn.count("M") == runs


def test_a_plot_has_a_summary_in_words() -> None:
    lines = [Line("p50", "first", [0.1, None, 0.2, 0.15]), Line("p99", "second", [None])]
    plot = Plot("Latency", formats.duration, lines)
    assert plot.summary == "p50: last 150 ms, from 100 ms to 200 ms. p99: nothing yet."


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.0, "0 ms"),
        (0.0082, "8.2 ms"),
        (0.1064, "106 ms"),
        (0.9996, "1 s"),
        (1.2345, "1.23 s"),
        (59.99, "60 s"),
        (200.0, "3 min 20 s"),
        (3600.0, "1 h"),
        (187_200.0, "2 d 4 h"),
    ],
)
def test_a_duration_is_written_as_people_write_it(seconds: float | None, text: str) -> None:
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0, "0"), (0.25, "0.25"), (12.34, "12.3"), (1834.4, "1,834"), (7, "7")]
)
def test_a_number_has_the_digits_that_a_reader_needs(value: float | None, text: str) -> None:
    assert formats.number(value) == text


@pytest.mark.parametrize(
    ("in_bytes", "text"), [(None, "–"), (0, "0 B"), (1536, "1.50 KiB"), (2**26, "64 MiB"), (2**60, "1,048,576 TiB")]
)
def test_a_size_is_written_in_binary_units(in_bytes: int | None, text: str) -> None:
    assert formats.size(in_bytes) == text

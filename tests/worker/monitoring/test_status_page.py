"""The page and its parts, as text: escaped, complete, the same for every reader."""

from html import unescape
from html.parser import HTMLParser
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.status_example import BEGAN_S, INJECTIONS, NOW_S, busy_recorder, document
from worker.monitoring.health import Health
from worker.monitoring.status import formats
from worker.monitoring.status.document import StatusDocument
from worker.monitoring.status.markup import Markup, element, joined
from worker.monitoring.status.page import BUDGETS, WHY, page
from worker.monitoring.status.plot import HEIGHT, WIDTH_S, Line, ceiling, path, summary
from worker.monitoring.status.recorder import Recorder
from worker.scoring.batcher import Trigger
from worker.scoring.pricing import Why
from worker.settings.schema import Settings


class Parsed(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def busy() -> StatusDocument:
    return document(busy_recorder(review_ids=INJECTIONS))


@given(st.text(), st.text())
def test_what_is_no_markup_is_text_wherever_it_stands(text: str, value: str) -> None:
    html = element("p", text, title=value)
    assert html.count("<") == html.count(">") == 2
    assert unescape(html) == f'<p title="{value}">{text}</p>' or "\0" in text + value
    assert joined(Markup("<b>"), "<b>") == "<b>&lt;b&gt;"


def test_attributes_are_written_as_html_has_them() -> None:
    html = element("th", "a", class_="number", aria_hidden="true", colspan=2, hidden=True, title=None, open=False)
    assert html == '<th class="number" aria-hidden="true" colspan="2" hidden>a</th>'
    assert element("meta", charset="utf-8") == '<meta charset="utf-8">'


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


def test_the_page_asks_nobody_else_for_anything(busy: StatusDocument) -> None:
    parsed = Parsed(page(busy))
    named = [value for _, attributes in parsed.elements for key, value in attributes.items() if key in ("src", "href")]
    assert set(named) == {"data:,", "status.css", "status.js", "metrics", "livez", "readyz", "status.json", ""}
    assert not any("style" in attributes for _, attributes in parsed.elements)
    assert not any(key.startswith("on") for _, attributes in parsed.elements for key in attributes)


def test_every_drawing_has_words_and_every_number_of_it_stands_in_a_table(busy: StatusDocument) -> None:
    html = page(busy)
    drawings = Parsed(html).all("svg")
    assert [drawing["role"] for drawing in drawings] == ["img", "img"]
    assert all("last 15 minutes" in (drawing["aria-label"] or "") for drawing in drawings)
    for slot in busy.slots:
        assert f">{formats.number(slot.reviews_per_s)}</td>" in html
        assert f">{formats.duration(slot.p99_s)}</td>" in html


def test_each_trigger_that_occurred_is_explained(busy: StatusDocument) -> None:
    html = page(busy)
    occurred = {batch.trigger for batch in busy.batches}
    assert set(WHY) == set(Trigger)
    assert all((WHY[trigger] in html) == (trigger in occurred) for trigger in Trigger)


@pytest.mark.parametrize("why", Why)
def test_the_size_of_the_next_batch_is_explained(busy: StatusDocument, why: Why) -> None:
    batching = busy.batching
    assert batching is not None
    html = page(busy.model_copy(update={"batching": batching.model_copy(update={"why": why})}))
    expected = BUDGETS[why].format(tokens="49,152", target="500 ms")
    assert f"{expected} The engine takes 1.2 ms for a batch and 2.5 ms for each 1,000 tokens." in html


def test_an_empty_worker_has_a_page_that_says_so() -> None:
    health = Health(stall_timeout_s=60.0, now_s=BEGAN_S)
    texts = Parsed(page(document(Recorder(BEGAN_S, keeps_reviews=True), now_s=BEGAN_S, health=health))).texts
    assert {"starting", "not loaded yet", "No partition is assigned.", "No batch yet.", "None since the start."} <= set(
        texts
    )


def test_hidden_reviews_are_said_to_be_hidden() -> None:
    assert "status_reviews = false" in page(document(busy_recorder(keeps_reviews=False)))


def test_what_a_loop_that_hangs_saw_last_is_said_to_be_old(busy: StatusDocument) -> None:
    old = Parsed(page(document(busy_recorder(), now_s=NOW_S + 100))).texts
    assert sum(text.endswith("; seen 1 min 41 s ago") for text in old) == 2  # lag and what is held
    assert not any("; seen" in text for text in Parsed(page(busy)).texts)


def test_a_worker_that_is_not_ready_says_why() -> None:
    texts = Parsed(page(document(busy_recorder(), now_s=NOW_S + 100))).texts
    assert "The loop has not turned for 100 s. livez 503, readyz 503" in texts


@given(st.floats(1e-6, 1e12))
def test_an_axis_ends_at_a_round_number_that_is_not_too_far_above(most: float) -> None:
    top = ceiling(most)
    assert most <= top or isclose(most, top)
    assert top <= 2.5 * most * (1 + 1e-9)
    assert f"{top:e}".startswith(("1.000000e", "2.000000e", "5.000000e"))


@given(st.lists(st.none() | st.floats(0.0, 1e6), max_size=60))
def test_a_line_stays_on_the_paper_and_begins_anew_after_each_gap(values: list[float | None]) -> None:
    top = ceiling(max((value for value in values if value is not None), default=0.0))
    drawn = path(values, top)
    points = [tuple(map(float, point.removesuffix("h0").split())) for point in drawn.replace("M", "L").split("L")[1:]]
    assert all(0 <= x <= WIDTH_S and 0 <= y <= HEIGHT for x, y in points)
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert len(points) == sum(value is not None for value in values)
    runs = sum(value is not None and (not number or values[number - 1] is None) for number, value in enumerate(values))
    assert drawn.count("M") == runs


def test_a_drawing_is_summed_up_in_words() -> None:
    lines = [Line("p50", "first", [0.1, None, 0.2, 0.15]), Line("p99", "second", [None])]
    assert summary(lines, formats.duration) == "p50: last 150 ms, from 100 ms to 200 ms. p99: nothing yet."


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
def test_a_duration_is_said_as_people_say_it(seconds: float | None, text: str) -> None:
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0, "0"), (0.25, "0.25"), (12.34, "12.3"), (1834.4, "1,834"), (7, "7")]
)
def test_a_number_is_as_exact_as_it_need_be(value: float | None, text: str) -> None:
    assert formats.number(value) == text


@pytest.mark.parametrize(
    ("in_bytes", "text"), [(0, "0 B"), (1536, "1.50 KiB"), (2**26, "64 MiB"), (2**60, "1,048,576 TiB")]
)
def test_a_size_is_said_in_binary_units(in_bytes: int, text: str) -> None:
    assert formats.size(in_bytes) == text

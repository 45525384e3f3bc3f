"""The status page in a browser: with and without scripts, light and dark, by keyboard and with a screen reader."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import Site, chromium, opened
from tests.support.status_example import BEGAN_S, INJECTIONS, NOW_S, WALL_S, busy_recorder, healthy, outcome
from worker.monitoring.health import Health
from worker.monitoring.observer import Moment
from worker.monitoring.status.recorder import Recorder
from worker.wire.reasons import Reason

SCHEMES = ("light", "dark")
WIDTHS = (1280, 400)
MANY_PERIODS_MS = 20_000  # ten of the page's updates
LIMIT_MS = 15_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def site() -> Iterator[Site]:
    with opened(busy_recorder(), healthy()) as site:
        yield site


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """`visit(site, color_scheme="dark")` opens a page in such a browser; the test fails on any error in its console."""
    errors: list[str] = []
    with ExitStack() as contexts:

        def open_page(site: Site, *, width: int = 1280, **reader: Any) -> Page:
            context = browser.new_context(viewport={"width": width, "height": 900}, **reader)
            contexts.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(LIMIT_MS)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
            page.goto(site.address)
            return page

        yield open_page
    assert errors == []


def focused(page: Page) -> str:
    return str(page.evaluate("(document.activeElement.ariaLabel || document.activeElement.innerText).trim()"))


def test_what_is_new_appears_without_a_reload(site: Site, visit: Callable[..., Page]) -> None:
    page = visit(site)
    page.evaluate("window.reloaded = false")
    site.recorder.stored([outcome(5, took_s=0.1, review_id="r-brand-new")], at=Moment(NOW_S, WALL_S))
    expect(page.get_by_text("r-brand-new")).to_be_visible(timeout=LIMIT_MS)
    assert page.evaluate("window.reloaded") is False


def test_an_open_page_announces_a_stuck_loop(site: Site, visit: Callable[..., Page]) -> None:
    page = visit(site)
    expect(page.locator("[role=status] h2")).to_have_text("scoring")
    site.now_s += 100
    expect(page.locator("[role=status] h2")).to_have_text("stalled", timeout=LIMIT_MS)
    expect(page.get_by_text("The loop has not turned for 100 s")).to_be_visible()
    expect(page).to_have_title("stalled: sentiment-worker")


def test_an_update_keeps_what_was_opened_selected_and_focused(site: Site, visit: Callable[..., Page]) -> None:
    page = visit(site)
    page.get_by_text("These 15 minutes as a table").click()
    page.get_by_role("region", name="Last batches").focus()
    site.recorder.stored([outcome(5, took_s=0.1, review_id="r-brand-new")], at=Moment(NOW_S, WALL_S))
    expect(page.get_by_text("r-brand-new")).to_be_visible(timeout=LIMIT_MS)
    expect(page.get_by_role("region", name="The last 15 minutes")).to_be_visible()
    assert focused(page) == "Last batches"


def test_a_paused_page_sends_no_request_until_it_is_resumed(site: Site, visit: Callable[..., Page]) -> None:
    page = visit(site)
    page.clock.install()
    page.reload()
    with page.expect_request(site.address):
        page.clock.run_for(MANY_PERIODS_MS)
    button = page.get_by_role("button", name="Pause updates")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(MANY_PERIODS_MS)
    assert asked == []
    with page.expect_request(site.address):
        button.click()


def test_the_page_says_when_the_worker_is_gone_and_when_it_is_back(site: Site, browser: Browser) -> None:
    page = browser.new_page()  # its errors are expected
    page.goto(site.address)
    site.close()
    expect(page.get_by_text("No answer since")).to_be_visible(timeout=LIMIT_MS)
    site.open()
    expect(page.get_by_text("No answer since")).to_be_hidden(timeout=LIMIT_MS)
    page.close()


def test_without_scripts_only_the_updates_are_missing(site: Site, visit: Callable[..., Page]) -> None:
    page = visit(site, java_script_enabled=False)
    expect(page.get_by_role("heading", name="scoring")).to_be_visible()
    expect(page.get_by_role("region", name="Last scored reviews").get_by_role("row")).to_have_count(11)
    expect(page.get_by_role("button")).to_have_count(0)
    site.recorder.stored([outcome(5, took_s=0.1, review_id="r-brand-new")], at=Moment(NOW_S, WALL_S))
    page.get_by_role("link", name="Reload it").click()
    expect(page.get_by_text("r-brand-new")).to_be_visible()


def test_the_keyboard_reaches_everything_from_top_to_bottom(site: Site, visit: Callable[..., Page]) -> None:
    page = visit(site)
    order = []
    for _ in range(11):
        page.keyboard.press("Tab")
        order.append(focused(page))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert (order[-1], outline) == (order[-1], "solid")
    assert order == [
        "Pause updates",
        "These 15 minutes as a table",
        "Assignment",
        "Last batches",
        "Last dead letters",
        "Last scored reviews",
        *order[6:7],  # how many settings there are changes
        "/metrics",
        "/livez",
        "/readyz",
        "/status.json",
    ]
    assert order[6].startswith("All ")


def test_a_screen_reader_gets_a_plot_in_words(site: Site, visit: Callable[..., Page]) -> None:
    page = visit(site)
    drawing = page.get_by_role("img", name="End-to-end latency, the last 15 minutes. p50: last")
    expect(drawing).to_be_visible()


@pytest.mark.parametrize("injection", INJECTIONS)
def test_an_id_that_is_a_script_stays_text_after_an_update(
    injection: str, site: Site, visit: Callable[..., Page]
) -> None:
    page = visit(site)
    site.recorder.stored([outcome(5, took_s=0.1, review_id=injection)], at=Moment(NOW_S, WALL_S))
    expect(page.locator("bdi", has_text=injection)).to_be_visible(timeout=LIMIT_MS)
    page.reload()
    expect(page.locator("bdi", has_text=injection)).to_be_visible()
    expect(page.locator("h1")).to_have_count(1)
    assert "owned" not in page.title()


def test_an_injected_script_does_not_run(site: Site, browser: Browser) -> None:
    """The Content-Security-Policy holds even without the escaping."""
    page = browser.new_page()  # its errors are expected
    page.goto(site.address)
    page.evaluate("""() => {
        window.refused = [];
        document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
        document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='document.title = 0'>");
        document.body.append(Object.assign(document.createElement("script"), {text: "document.title = 0"}));
    }""")
    page.wait_for_function(
        "refused.includes('script-src-attr') && refused.includes('script-src-elem')", timeout=LIMIT_MS
    )
    assert page.title() == "scoring: sentiment-worker"
    page.close()


def recorders() -> dict[str, Callable[[], tuple[Recorder, Health]]]:
    return {
        "busy": lambda: (busy_recorder(review_ids=INJECTIONS), healthy()),
        "stalled": lambda: (busy_recorder(), healthy(NOW_S - 100)),
        "starting": lambda: (
            Recorder(BEGAN_S, keeps_reviews=False),
            Health(stall_timeout_s=60.0, now_s=NOW_S),
        ),
    }


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("state", "width"), [("busy", 1280), ("busy", 400), ("stalled", 1280), ("starting", 400)])
def test_axe_finds_nothing(state: str, scheme: str, width: int, visit: Callable[..., Page]) -> None:
    with opened(*recorders()[state]()) as site:
        # The policy would not let axe into the page.
        page = visit(site, color_scheme=scheme, width=width, bypass_csp=True)
        for details in page.locator("summary").all():
            details.click()
        found = Axe().run(page).response["violations"]
        page.close()  # or its next update fails, because the site is gone
    assert [(one["impact"], one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_itself_never_scrolls_sideways(width: int, visit: Callable[..., Page]) -> None:
    recorder = busy_recorder(review_ids=("r" * 500, "-".join(["review"] * 50)))
    recorder.stored([outcome(2**60, took_s=0.1, dead_because=Reason.UNSCORABLE)], at=Moment(NOW_S, WALL_S))
    with opened(recorder, healthy()) as site:
        page = visit(site, width=width)
        for details in page.locator("summary").all():
            details.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.close()


def test_dark_is_dark_and_light_is_light(site: Site, visit: Callable[..., Page]) -> None:
    grounds = {
        scheme: visit(site, color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in SCHEMES
    }
    brightness = {scheme: sum(map(int, ground[4:-1].split(","))) for scheme, ground in grounds.items()}
    assert brightness["dark"] < 100
    assert brightness["light"] > 700

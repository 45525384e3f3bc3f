"""The status page of a running worker: its real loop over fakes, its real HTTP server."""

import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.worker.rig import RAW, Rig, review, started, turn_until
from worker.monitoring import http
from worker.monitoring.status.document import StatusDocument
from worker.monitoring.status.pages import status_pages
from worker.settings.schema import Settings

LIMIT_S = 10.0


class Site:
    """The pages of one worker."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address

    def get(self, path: str) -> tuple[str, str]:
        """Content type and body."""
        host, port = self._address
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=LIMIT_S) as answer:
            return answer.headers["Content-Type"], answer.read().decode()

    def status(self) -> StatusDocument:
        return StatusDocument.model_validate_json(self.get("/status.json")[1])


@contextmanager
def served(rig: Rig) -> Iterator[Site]:
    pages = status_pages(rig.recorder, rig.health, Settings(), clock=lambda: rig.now_s)
    with http.serve("127.0.0.1", 0, registry=rig.registry, health=rig.health, pages=pages) as address:
        yield Site(address)


@pytest.fixture
def rig() -> Rig:
    """A worker that owns two partitions."""
    return started(Rig())


def finish(rig: Rig, count: int) -> None:
    """Turn until `count` records are committed, then once more a second later, so that the loop records its state."""
    turn_until(rig, lambda: rig.committed() == count, "all is committed")
    rig.now_s += 1
    rig.worker.turn()


def test_the_page_follows_the_worker(rig: Rig) -> None:
    with served(rig) as site:
        assert site.status().state == "scoring"
        rig.send(*[review("good", review_id=f"r-{number}") for number in range(3)], b"not a review")
        finish(rig, 4)
        status = site.status()
        _, page = site.get("/")
    assert [item.review_id for item in status.reviews or []] == ["r-2", "r-1", "r-0"]
    assert [(one.topic, one.partition, one.offset, one.reason) for one in status.dead_letters] == [
        (RAW, 0, 3, "invalid_json")
    ]
    assert (status.last_minute.reviews, status.last_minute.dead_letters) == (3, 1)
    assert status.last_minute.p50_s == pytest.approx(0.5, rel=0.1)  # by the wall clock of the rig
    assert sum(batch.reviews for batch in status.batches) == 3
    assert status.assignment is not None
    assert [(one.partition, one.lag) for one in status.assignment.partitions] == [(0, 0), (1, 0)]
    assert ">r-2<" in page
    assert f">{RAW}-0-3<" in page


def test_the_page_names_the_model_that_took_over(rig: Rig) -> None:
    rig.reloader.on_signal(signal.SIGHUP)
    turn_until(rig, lambda: rig.metric("sentiment_model_reloads_total", result="done") == 1, "the model changes")
    with served(rig) as site:
        model = site.status().model
    assert model is not None
    assert (model.name, model.version) == (rig.next_predictor.info.name, rig.next_predictor.info.version)


def test_a_hung_loop_shows_on_the_page_and_in_the_metrics(rig: Rig) -> None:
    """The loop does not turn here: each request judges the state by the clock."""
    with served(rig) as site:
        assert rig.metric("sentiment_ready") == 1
        rig.now_s += 61
        status = site.status()
    assert (status.state, status.ready, status.reason) == ("stalled", False, "the loop has not turned for 61 s")
    assert rig.metric("sentiment_ready") == 0
    assert rig.metric("sentiment_last_turn_age_seconds") == 61


def test_a_worker_that_holds_too_much_is_paused() -> None:
    full = started(Rig(partitions=1, max_inflight_records=8))
    full.sinks[0].hold = True
    full.send(*[review("x")] * 8)
    with served(full) as site:
        turn_until(full, lambda: site.status().state == "paused", "the worker pauses")
        full.heal()
        turn_until(full, lambda: site.status().state == "scoring", "the worker goes on")


def test_each_page_has_its_content_type(rig: Rig) -> None:
    with served(rig) as site:
        kinds = {path: site.get(path)[0] for path in ("/", "/status.json", "/status.css", "/status.js")}
    assert kinds == {
        "/": "text/html; charset=utf-8",
        "/status.json": "application/json",
        "/status.css": "text/css; charset=utf-8",
        "/status.js": "text/javascript; charset=utf-8",
    }

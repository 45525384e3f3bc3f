"""The paths of the status page and what the HTTP server answers to them."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from typing import Final

from worker.monitoring.health import Health
from worker.monitoring.http import Page, Pages
from worker.monitoring.status.document import StatusDocument, status_document
from worker.monitoring.status.page import page
from worker.monitoring.status.recorder import Recorder
from worker.settings.schema import Settings

HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"
STATIC: Final = {"/status.css": "text/css; charset=utf-8", "/status.js": "text/javascript; charset=utf-8"}


def status_pages(
    recorder: Recorder, health: Health, settings: Settings, *, clock: Callable[[], float] = time.monotonic
) -> Pages:
    """Return the pages by path. Each request makes its page again, in its own thread."""

    def status() -> StatusDocument:
        now_s = clock()
        return status_document(recorder.seen(now_s), health, settings, now_s=now_s, at=datetime.now(UTC))

    def as_html() -> Page:
        return HTML, page(status()).encode()

    def as_json() -> Page:
        return JSON, status().model_dump_json().encode()

    return {"/": as_html, "/status.json": as_json} | {path: _static(path, kind) for path, kind in STATIC.items()}


def _static(path: str, kind: str) -> Callable[[], Page]:
    body = (files(__package__) / path.removeprefix("/")).read_bytes()
    return lambda: (kind, body)

"""A real Chromium without a window, and a status page to open in it."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from prometheus_client import CollectorRegistry

from tests.support.status_example import NOW_S
from worker.monitoring import http
from worker.monitoring.health import Health
from worker.monitoring.status.pages import status_pages
from worker.monitoring.status.recorder import Recorder
from worker.settings.schema import Settings


@contextmanager
def chromium() -> Iterator[Browser]:
    """The Chromium of `playwright install chromium`, else the system's; without either the test is skipped."""
    with sync_playwright() as playwright:
        installed = Path(playwright.chromium.executable_path)
        found = str(installed) if installed.exists() else shutil.which("chromium")
        if found is None:
            pytest.skip("no chromium on this machine: apt-get install chromium, or deploy/ci/commands.sh chromium")
        browser = playwright.chromium.launch(executable_path=found)
        try:
            yield browser
        finally:
            browser.close()


class Site:
    """The pages of a worker whose clock the test sets. Closed and opened again, it keeps its port."""

    def __init__(self, recorder: Recorder, health: Health, settings: Settings) -> None:
        self.recorder = recorder
        self.health = health
        self._settings = settings
        self.now_s = NOW_S
        self._port = 0
        self._open = ExitStack()

    @property
    def address(self) -> str:
        """The address of the status page."""
        return f"http://127.0.0.1:{self._port}/"

    def open(self) -> None:
        """Start to answer."""
        pages = status_pages(self.recorder, self.health, self._settings, clock=lambda: self.now_s)
        server = http.serve("127.0.0.1", self._port, registry=CollectorRegistry(), health=self.health, pages=pages)
        _, self._port = self._open.enter_context(server)

    def close(self) -> None:
        """Stop answering."""
        self._open.close()


@contextmanager
def opened(recorder: Recorder, health: Health, settings: Settings | None = None) -> Iterator[Site]:
    """A site that answers inside the `with` block."""
    site = Site(recorder, health, settings or Settings())
    site.open()
    try:
        yield site
    finally:
        site.close()

"""A real Chromium without a window, and a status page for it to show."""

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
    """The one that `playwright install chromium` has brought, else the system's; skips the test where there is none."""
    with sync_playwright() as playwright:
        brought = Path(playwright.chromium.executable_path)
        found = str(brought) if brought.exists() else shutil.which("chromium")
        if found is None:
            pytest.skip("no chromium on this machine: apt-get install chromium, or deploy/ci/commands.sh chromium")
        browser = playwright.chromium.launch(executable_path=found)
        try:
            yield browser
        finally:
            browser.close()


class Site:
    """A worker's pages over time that a test tells; its port stays when it is closed and opened again."""

    def __init__(self, recorder: Recorder, health: Health, settings: Settings) -> None:
        self.recorder = recorder
        self.health = health
        self._settings = settings
        self.now_s = NOW_S
        self._port = 0
        self._open = ExitStack()

    @property
    def address(self) -> str:
        """Of the status page."""
        return f"http://127.0.0.1:{self._port}/"

    def open(self) -> None:
        """Answer from now on."""
        pages = status_pages(self.recorder, self.health, self._settings, clock=lambda: self.now_s)
        server = http.serve("127.0.0.1", self._port, registry=CollectorRegistry(), health=self.health, pages=pages)
        _, self._port = self._open.enter_context(server)

    def close(self) -> None:
        """Answer no more."""
        self._open.close()


@contextmanager
def opened(recorder: Recorder, health: Health, settings: Settings | None = None) -> Iterator[Site]:
    """A site that answers while inside."""
    site = Site(recorder, health, settings or Settings())
    site.open()
    try:
        yield site
    finally:
        site.close()

"""`python -m tests.browser.screenshots`: the pictures of the status page in docs/images, of a made-up load."""

import io
from pathlib import Path
from typing import Final, Literal

from PIL import Image
from playwright.sync_api import ViewportSize

from tests.support.browser import chromium, opened
from tests.support.status_example import busy_recorder, healthy
from worker.settings.schema import Settings

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
SIZE: Final = ViewportSize(width=1280, height=900)
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
COLOURS: Final = 256  # half the bytes
SETTINGS: Final = Settings.model_validate(
    {
        "bootstrap_servers": "kafka-1:9093,kafka-2:9093",
        "group_id": "reviews-eu",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": "worker",
        "sasl_password": "masked",
        "delivery": "exactly_once",
    }
)


def main() -> None:
    """Take one picture for each colour scheme."""
    with opened(busy_recorder(), healthy(), SETTINGS) as site, chromium() as browser:
        for scheme in SCHEMES:
            page = browser.new_page(viewport=SIZE, color_scheme=scheme)
            page.goto(site.address)
            picture = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
            picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(IMAGES / f"status-{scheme}.png", optimize=True)


if __name__ == "__main__":
    main()

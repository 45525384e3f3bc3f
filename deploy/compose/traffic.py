"""Publishes the demo's reviews at a steady rate and ends after the last; Docker then starts it again."""

import lzma
import os
import shutil
import sys
from pathlib import Path

ARCHIVE = Path("/demo/reviews.jsonl.xz")
REVIEWS = Path("/tmp/reviews.jsonl")  # noqa: S108  # inside the container

if __name__ == "__main__":
    with lzma.open(ARCHIVE) as packed, REVIEWS.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
    os.execvp("sentiment-worker", ["sentiment-worker", "produce", "--input", str(REVIEWS), *sys.argv[1:]])  # noqa: S606, S607

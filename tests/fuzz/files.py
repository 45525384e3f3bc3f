"""Files of reviews, as `sentiment-worker score` and `produce` read them. See `worker.commands.review_files`."""

import io
import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Final

from tests.fuzz.fuzzer import Target
from tests.fuzz.mutation import mutated, text
from worker.commands.review_files import ReviewRow, read_reviews
from worker.errors import SettingsRejected
from worker.wire.review import decode_review

EXTENSIONS: Final = (".jsonl", ".csv", ".txt", "")
VALID: Final = [
    b'{"text": "good"}\n\n{"text": "bad", "review_id": "r"}\r\n',
    b'review_id,text\r\n1,"good, ""very"" good"\r\n2,"two\nlines"\n3,bad\n',
    b"An honest film.\nNot so.\n",
    b"\xef\xbb\xbftext,product_id,language\nfine,p,en\n",
]


@contextmanager
def review_files() -> Iterator[Target]:
    """Every format; the first byte of an input chooses it."""
    yield Target(_make, _check)


def _make(rng: random.Random) -> bytes:
    lines = text(rng).encode("utf-8", "surrogatepass") if rng.random() < 0.2 else b""
    return rng.randbytes(1) + (rng.choice((b"", b"text\n")) + lines if lines else mutated(rng, VALID))


def _check(data: bytes) -> None:
    extension = EXTENSIONS[data[0] % len(EXTENSIONS)] if data else ""
    try:
        rows = list(read_reviews(io.BufferedReader(io.BytesIO(data[1:])), "auto", f"file{extension}"))
    except SettingsRejected as exc:
        assert extension in {".csv", ""}, exc  # noqa: PT017  # nothing else has columns
        return
    for row in rows:
        if isinstance(row, ReviewRow):
            assert decode_review(row.value) == row.review
        else:
            assert row.why
    assert all(above.line < below.line for above, below in pairwise(rows))
    assert not rows or rows[-1].line <= data.count(b"\n") + data.count(b"\r") + 1

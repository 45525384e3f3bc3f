"""The reviews of the demo, and the command that chose them: `python -m deploy.demo.sample --data DIR --out FILE`.

DIR is what `python -m training fetch --out DIR` writes. REVIEWS.md describes the sample and its source.
"""

import argparse
import hashlib
import json
import lzma
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).with_name("reviews.jsonl.xz")
PER_LABEL = 1_000
LABELS = (0, 1)
SEED = "sentiment-worker demo 1"


@dataclass(frozen=True, slots=True)
class LabelledReview:
    """A review with the sentiment that its author gave it."""

    review_id: str
    text: str
    label: int  # 0 negative, 1 positive

    @property
    def sentiment(self) -> str:
        """The label in the worker's words."""
        return "positive" if self.label else "negative"


def read_sample(path: Path = SAMPLE) -> list[LabelledReview]:
    """The reviews in this package, in the order of the file."""
    return [LabelledReview(**row) for row in _read_rows(path)]


def repeated(sample: Iterable[LabelledReview], number: int) -> Iterator[LabelledReview]:
    """`number` reviews: the sample, then the sample again with `#2` after each id, then with `#3`, and so on."""
    rows = list(sample)
    passes = ((row, turn) for turn in count(1) for row in rows)
    for row, turn in islice(passes, number):
        yield row if turn == 1 else LabelledReview(f"{row.review_id}#{turn}", row.text, row.label)


def choose(train: Iterable[dict[str, Any]], test: Iterable[dict[str, Any]], per_label: int) -> list[LabelledReview]:
    """`per_label` reviews of each label from `test`, without those whose text is in `train`.

    Takes those with the smallest digest of seed and id, in the order of the digests: practically random, with mixed
    labels, and the same with every version of Python. Takes one of equal texts.
    """
    taken = {row["text"] for row in train}
    left = dict.fromkeys(LABELS, per_label)
    chosen = []
    for row in sorted(test, key=lambda row: hashlib.sha256(f"{SEED}/{row['id']}".encode()).digest()):
        if left[row["label"]] and row["text"] not in taken:
            left[row["label"]] -= 1
            taken.add(row["text"])
            chosen.append(LabelledReview(row["id"], row["text"], row["label"]))
    if any(left.values()):
        raise ValueError(f"too few reviews: {left} are missing, by label")
    return chosen


def write(reviews: Iterable[LabelledReview], path: Path) -> None:
    """Write compressed JSON lines; the same reviews give the same bytes."""
    with lzma.open(path, "wt", preset=9, encoding="utf-8", newline="\n") as lines:
        for review in reviews:
            lines.write(json.dumps(asdict(review), ensure_ascii=False) + "\n")


def _read_rows(path: Path) -> Iterator[dict[str, Any]]:
    with lzma.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        yield from map(json.loads, lines)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo.sample", description="Choose the demo's reviews.")
    parser.add_argument("--data", type=Path, required=True, help="directory that `python -m training fetch` wrote")
    parser.add_argument("--out", type=Path, required=True, help="file to write, .jsonl.xz")
    arguments = parser.parse_args()
    train, test = (_read_rows(arguments.data / "imdb" / f"{part}.jsonl.xz") for part in ("train", "test"))
    try:
        write(choose(train, test, PER_LABEL), arguments.out)
    except OSError as error:
        parser.error(f"{error}; see `python -m training fetch` for --data")


if __name__ == "__main__":
    main()

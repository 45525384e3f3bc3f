"""The reviews that everything is measured on."""

import json
import lzma
from itertools import cycle, islice
from pathlib import Path


def load_texts(path: Path, count: int) -> list[str]:
    """`count` texts of a .jsonl or .jsonl.xz file with a field `text`, from its beginning again where it has fewer."""
    with path.open("rb") as file, lzma.open(file) if path.suffix == ".xz" else file as lines:
        texts = [str(json.loads(line)["text"]) for line in islice(lines, count)]
    return list(islice(cycle(texts), count))

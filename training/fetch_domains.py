"""Obtains FDU-MTL, reviews of other goods, from where they are published and lays them out as training reads them."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from rich.console import Console

from training.convert import write_lines
from training.datasets import DOMAINS_CITATION
from training.download import PublishedFile, download
from training.progress import ProgressDisplay

# A commit of github.com/ccsasuke/man (Chen and Cardie, NAACL 2018), which holds the data set under the MIT licence.
FDU_MTL_URL = "https://raw.githubusercontent.com/ccsasuke/man/b57b4c14340db1ca7bffb5d9737b7c2601dc8df2/data/fdu-mtl"
_PARTS = {"train": "train", "unlabel": "unlabeled"}  # the ending of a published file -> our file


def fdu_mtl() -> tuple[PublishedFile, ...]:
    """The published files of ten kinds of goods: labelled and unlabelled reviews of each."""
    lines = files("training").joinpath("lists", "fdu_mtl_files.tsv").read_text("ascii").splitlines()[1:]
    rows = (line.split("\t") for line in lines)
    return tuple(PublishedFile(f"{FDU_MTL_URL}/{name}", int(size), md5, sha1) for name, size, md5, sha1 in rows)


def fetch_domains(out: Path, url: str, expected: tuple[PublishedFile, ...], console: Console) -> None:
    """Download from under `url`, check and convert; leaves fdu_mtl/{train,unlabeled}.jsonl.xz under `out`.

    The published files stay beside them. What is already there is kept. Raises FetchError.
    """
    directory = out / "fdu_mtl"
    outputs = {ending: directory / f"{name}.jsonl.xz" for ending, name in _PARTS.items()}
    if all(path.is_file() for path in outputs.values()):
        console.print(f"the reviews of other goods are already in {directory}")
        return
    published = [(directory / Path(file.url).name, file) for file in expected]
    with ProgressDisplay(console, "downloading other goods", len(published)) as display:
        for number, (path, file) in enumerate(published, 1):
            download(f"{url}/{path.name}", path, file, lambda _: None)
            display.show(number)
    for ending, output in outputs.items():
        lines = [line for path, _ in published if path.suffix == f".{ending}" for line in _lines(path, ending)]
        write_lines(output, lines)
        console.print(f"{output}: {len(lines):,} reviews")
    console.print(f"Please cite: {DOMAINS_CITATION}")


def _lines(path: Path, ending: str) -> Iterator[str]:
    """The reviews of a published file, a line each; labelled ones begin with their label and a tab.

    A few bytes of one file are no UTF-8.
    """
    domain = path.name.split(".")[0]
    rows = path.read_text("utf-8", errors="replace").removesuffix("\n").split("\n")
    for number, row in enumerate(rows):
        label, text = row.split("\t", 1) if ending == "train" else (None, row.strip())
        record = {"id": f"{domain}/{ending}/{number}", "label": None if label is None else int(label), "text": text}
        yield json.dumps(record, ensure_ascii=False) + "\n"

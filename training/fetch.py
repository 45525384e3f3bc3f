"""Downloads the Large Movie Review Dataset and FDU-MTL, and converts them to the files that training reads."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from rich.console import Console

from training.convert import OUTPUTS, convert, write_lines
from training.download import PublishedFile, download
from training.progress import showing

CITATION = (
    "Maas, Daly, Pham, Huang, Ng and Potts (2011). Learning Word Vectors for Sentiment Analysis. "
    "Proceedings of the 49th Annual Meeting of the Association for Computational Linguistics, 142-150."
)
DOMAINS_CITATION = (
    "Liu, Qiu and Huang (2017). Adversarial Multi-task Learning for Text Classification. "
    "Proceedings of the 55th Annual Meeting of the Association for Computational Linguistics, 1-10."
)

ACL_IMDB = PublishedFile(
    url="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
    size_bytes=84_125_825,
    md5="7c2ac02c03563afcf9b574c7e56c153a",
    sha1="01ada507287d82875905620988597833ad4e0903",
)

# A commit of github.com/ccsasuke/man (Chen and Cardie, NAACL 2018), which holds the data set under the MIT licence.
FDU_MTL_URL = "https://raw.githubusercontent.com/ccsasuke/man/b57b4c14340db1ca7bffb5d9737b7c2601dc8df2/data/fdu-mtl"
_PARTS = {"train": "train", "unlabel": "unlabeled"}  # the ending of a published file -> our file


def fetch_imdb(out: Path, url: str, expected: PublishedFile, console: Console) -> None:
    """Download, check and write imdb/{train,test,unsup}.jsonl.xz under `out`, unless they exist. Raises FetchError."""
    if all((out / "imdb" / f"{name}.jsonl.xz").is_file() for name in OUTPUTS):
        console.print(f"the film reviews are already in {out / 'imdb'}")
        return
    archive = out / "aclImdb_v1.tar.gz"
    with showing(console, "downloading", expected.size_bytes) as show:
        download(url, archive, expected, show)
    with showing(console, "converting", expected.size_bytes) as show:
        counts = convert(archive, out, show)
    for name, count in counts.items():
        console.print(f"{out / 'imdb' / name}.jsonl.xz: {count:,} reviews")
    console.print(f"Please cite: {CITATION}")


def fdu_mtl() -> tuple[PublishedFile, ...]:
    """The published files: labelled and unlabelled reviews of each of ten kinds of goods."""
    lines = files("training").joinpath("lists", "fdu_mtl_files.tsv").read_text("ascii").splitlines()[1:]
    rows = (line.split("\t") for line in lines)
    return tuple(PublishedFile(f"{FDU_MTL_URL}/{name}", int(size), md5, sha1) for name, size, md5, sha1 in rows)


def fetch_domains(out: Path, url: str, expected: tuple[PublishedFile, ...], console: Console) -> None:
    """Download and check the files at `url`; write fdu_mtl/{train,unlabeled}.jsonl.xz unless they exist. FetchError."""
    directory = out / "fdu_mtl"
    outputs = {ending: directory / f"{name}.jsonl.xz" for ending, name in _PARTS.items()}
    if all(path.is_file() for path in outputs.values()):
        console.print(f"the reviews of other goods are already in {directory}")
        return
    published = [(directory / Path(file.url).name, file) for file in expected]
    with showing(console, "downloading other goods", len(published)) as show:
        for number, (path, file) in enumerate(published, 1):
            download(f"{url}/{path.name}", path, file, lambda _: None)
            show(number)
    for ending, output in outputs.items():
        lines = [line for path, _ in published if path.suffix == f".{ending}" for line in _lines(path, ending)]
        write_lines(output, lines)
        console.print(f"{output}: {len(lines):,} reviews")
    console.print(f"Please cite: {DOMAINS_CITATION}")


def _lines(path: Path, ending: str) -> Iterator[str]:
    """The reviews of a file as JSON lines. Labelled ones start with label and tab; some bytes are not UTF-8."""
    domain = path.name.split(".")[0]
    rows = path.read_text("utf-8", errors="replace").removesuffix("\n").split("\n")
    for number, row in enumerate(rows):
        label, text = row.split("\t", 1) if ending == "train" else (None, row.strip())
        record = {"id": f"{domain}/{ending}/{number}", "label": None if label is None else int(label), "text": text}
        yield json.dumps(record, ensure_ascii=False) + "\n"

"""Obtains the Large Movie Review Dataset from its publishers and lays it out as training reads it."""

from pathlib import Path

from rich.console import Console

from training.convert import OUTPUTS, convert
from training.download import PublishedFile, download
from training.progress import ProgressDisplay

CITATION = (
    "Maas, Daly, Pham, Huang, Ng and Potts (2011). Learning Word Vectors for Sentiment Analysis. "
    "Proceedings of the 49th Annual Meeting of the Association for Computational Linguistics, 142-150."
)

ACL_IMDB = PublishedFile(
    url="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
    size_bytes=84_125_825,
    md5="7c2ac02c03563afcf9b574c7e56c153a",
    sha1="01ada507287d82875905620988597833ad4e0903",
)


def fetch_imdb(out: Path, url: str, expected: PublishedFile, console: Console) -> None:
    """Download, check and convert; leaves the archive and imdb/{train,test,unsup}.jsonl.xz under `out`.

    What is already there is kept. Raises FetchError.
    """
    if all((out / "imdb" / f"{name}.jsonl.xz").is_file() for name in OUTPUTS):
        console.print(f"the film reviews are already in {out / 'imdb'}")
        return
    archive = out / "aclImdb_v1.tar.gz"
    with ProgressDisplay(console, "downloading", expected.size_bytes) as display:
        download(url, archive, expected, display.show)
    with ProgressDisplay(console, "converting", expected.size_bytes) as display:
        counts = convert(archive, out, display.show)
    for name, count in counts.items():
        console.print(f"{out / 'imdb' / name}.jsonl.xz: {count:,} reviews")
    console.print(f"Please cite: {CITATION}")

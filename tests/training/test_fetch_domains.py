import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from tests.training.archive import expect
from training.datasets import DomainFiles, Example
from training.download import PublishedFile
from training.errors import FetchError
from training.fetch import FDU_MTL_URL, fdu_mtl, fetch_domains

PUBLISHED = {
    "books.task.train": b"1\ta fine book , it 's `` good ''\n0\tdull\ttoo\n",
    "books.task.unlabel": "Who knows? \n\nÜnder par.\n".encode(),
    "dvd.task.train": b"0\tcaf\xe9 scenes\n",
    "dvd.task.unlabel": b"Nothing.\n",
}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
        pass


@contextmanager
def publishing(directory: Path) -> Iterator[tuple[str, tuple[PublishedFile, ...]]]:
    """A server with the small data set, its address, and what it should hold."""
    directory.mkdir()
    for name, content in PUBLISHED.items():
        (directory / name).write_bytes(content)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(directory))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield url, tuple(expect(content, f"{url}/{name}") for name, content in PUBLISHED.items())
        finally:
            server.shutdown()
            thread.join()


def test_the_published_files_become_reviews_with_domain_label_and_line(tmp_path: Path) -> None:
    with publishing(tmp_path / "server") as (url, expected):
        fetch_domains(tmp_path / "data", url, expected, Console(quiet=True))
    read = DomainFiles.read(tmp_path / "data")
    assert read.labelled == (
        Example("books/train/0", 1, "a fine book , it 's `` good ''"),
        Example("books/train/1", 0, "dull\ttoo"),
        Example("dvd/train/0", 0, "caf� scenes"),
    )
    assert read.unlabelled == (
        Example("books/unlabel/0", None, "Who knows?"),
        Example("books/unlabel/1", None, ""),
        Example("books/unlabel/2", None, "Ünder par."),
        Example("dvd/unlabel/0", None, "Nothing."),
    )


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    with publishing(tmp_path / "server") as (url, expected):
        fetch_domains(tmp_path / "data", url, expected, Console(quiet=True))
    fetch_domains(tmp_path / "data", url, expected, Console(quiet=True))  # the server is gone


def test_another_file_than_the_published_one_is_refused(tmp_path: Path) -> None:
    with publishing(tmp_path / "server") as (url, expected):
        (tmp_path / "server" / "dvd.task.train").write_bytes(b"1\tcaf\xe9 scenes\n")
        with pytest.raises(FetchError, match=r"dvd\.task\.train is not the published file"):
            fetch_domains(tmp_path / "data", url, expected, Console(quiet=True))
    assert not list((tmp_path / "data").rglob("*.xz"))


def test_the_list_of_published_files_has_both_parts_of_ten_kinds_of_goods() -> None:
    names = [file.url.removeprefix(f"{FDU_MTL_URL}/") for file in fdu_mtl()]
    assert len(names) == 20
    assert {name.partition(".")[2] for name in names} == {"task.train", "task.unlabel"}
    assert names == sorted(names)

import random
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from tests.training.archive import Manners, expect, pack, published_layout, serving
from training.cli import cli
from training.datasets import ImdbFiles
from training.download import download
from training.errors import FetchError
from training.fetch import ACL_IMDB, fetch_imdb

CONTENT = random.Random(0).randbytes(1_000_000)
EXPECTED = expect(CONTENT)


def fetched(url: str, target: Path) -> list[int]:
    """Download and return the reported progress."""
    progress: list[int] = []
    download(url, target, EXPECTED, progress.append)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == [target.name], "nothing else is left behind"
    return progress


def test_a_whole_download_arrives_and_reports_its_progress(tmp_path: Path) -> None:
    with serving(Manners(CONTENT)) as url:
        progress = fetched(url, tmp_path / "file")
    assert progress == sorted(progress)
    assert progress[-1] == len(CONTENT)


def test_a_broken_connection_is_continued_at_once(tmp_path: Path) -> None:
    manners = Manners(CONTENT, break_after=[300_000, 200_000])
    with serving(manners) as url:
        fetched(url, tmp_path / "file")
    assert manners.ranges == [None, "bytes=300000-", "bytes=500000-"]
    assert manners.requests[1]["If-Range"] == '"v1"'


def test_a_server_that_keeps_failing_is_named_and_the_next_run_continues(tmp_path: Path) -> None:
    manners = Manners(CONTENT, break_after=[300_000, 0, 0])
    with serving(manners) as url:
        with pytest.raises(FetchError, match=r"300,000 of 1,000,000 bytes.*same command again"):
            fetched(url, tmp_path / "file")
        assert not (tmp_path / "file").exists()
        fetched(url, tmp_path / "file")
    assert manners.ranges[-1] == "bytes=300000-"


def test_a_server_without_ranges_sends_the_whole_file_again(tmp_path: Path) -> None:
    manners = Manners(CONTENT, knows_range=False, break_after=[300_000])
    with serving(manners) as url:
        fetched(url, tmp_path / "file")
    assert manners.ranges == [None, "bytes=300000-"]


def test_a_file_that_changed_meanwhile_is_not_continued(tmp_path: Path) -> None:
    manners = Manners(b"other" * 200_000, break_after=[300_000, 0, 0])
    with serving(manners) as url:
        with pytest.raises(FetchError, match="same command again"):
            fetched(url, tmp_path / "file")
        manners.content, manners.etag = CONTENT, '"v2"'
        fetched(url, tmp_path / "file")


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_the_date_stands_in_for_a_missing_or_weak_tag(tmp_path: Path, etag: str | None) -> None:
    date = "Wed, 01 Jan 2014 00:00:00 GMT"
    manners = Manners(CONTENT, etag=etag, last_modified=date, break_after=[300_000])
    with serving(manners) as url:
        fetched(url, tmp_path / "file")
    assert manners.requests[1]["If-Range"] == date


def test_a_server_that_names_no_version_is_continued_and_the_digest_decides(tmp_path: Path) -> None:
    manners = Manners(CONTENT, etag=None, break_after=[300_000])
    with serving(manners) as url:
        fetched(url, tmp_path / "file")
    assert "If-Range" not in manners.requests[1]


def test_a_file_of_another_content_is_refused_and_deleted(tmp_path: Path) -> None:
    with (
        serving(Manners(CONTENT[:-1] + b"x")) as url,
        pytest.raises(FetchError, match=r"not the published file: its md5 is"),
    ):
        fetched(url, tmp_path / "file")
    assert not (tmp_path / "file").exists()
    assert not (tmp_path / "file.part").exists()


def test_a_file_that_is_too_long_is_cut_off_at_once(tmp_path: Path) -> None:
    with serving(Manners(CONTENT * 3)) as url, pytest.raises(FetchError, match="longer than 1,000,000 bytes"):
        fetched(url, tmp_path / "file")
    assert (tmp_path / "file.part").stat().st_size <= len(CONTENT)


def test_a_part_longer_than_the_file_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(b"x" * 2_000_000)
    with serving(Manners(CONTENT)) as url:
        fetched(url, tmp_path / "file")


def test_what_is_already_there_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    manners = Manners(CONTENT)
    with serving(manners) as url:
        fetched(url, tmp_path / "file")
    assert manners.requests == []


def test_a_wrong_address_is_not_tried_again(tmp_path: Path) -> None:
    manners = Manners(CONTENT, status=404)
    with serving(manners) as url, pytest.raises(FetchError, match="404"):
        fetched(url, tmp_path / "file")
    assert len(manners.requests) == 1


def test_an_overloaded_server_is_tried_again(tmp_path: Path) -> None:
    manners = Manners(CONTENT, status=503)
    with serving(manners) as url, pytest.raises(FetchError, match=r"503.*same command again"):
        fetched(url, tmp_path / "file")
    assert len(manners.requests) == 3


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/file",
        "file",
        "http://",
        "http://[::1/file",
        "http://localhost:port/file",
        "http://localhost/é",
    ],
)
def test_only_web_addresses_are_fetched(tmp_path: Path, url: str) -> None:
    with pytest.raises(FetchError, match=r"only http.*check --url"):
        download(url, tmp_path / "file", EXPECTED, lambda _: None)


def test_an_address_without_a_server_is_one_clear_error(tmp_path: Path) -> None:
    with serving(Manners(CONTENT)) as url:
        pass  # the server is gone again, its port is free
    with pytest.raises(FetchError, match="0 of 1,000,000 bytes"):
        download(url, tmp_path / "file", EXPECTED, lambda _: None)


def test_the_whole_way_from_the_server_to_readable_reviews(tmp_path: Path) -> None:
    content = pack(published_layout())
    manners = Manners(content, break_after=[100])
    with serving(manners) as url:
        fetch_imdb(tmp_path, url, expect(content), Console(quiet=True))
        fetch_imdb(tmp_path, url, expect(content), Console(quiet=True))  # finds everything there
    assert len(manners.requests) == 2
    imdb = ImdbFiles.read(tmp_path)
    assert [len(part) for part in (imdb.train, imdb.test, imdb.unlabelled)] == [4, 2, 1]


def test_the_command_accepts_the_published_archive_only(tmp_path: Path) -> None:
    with serving(Manners(CONTENT)) as url:
        result = CliRunner().invoke(cli, ["fetch", "--out", str(tmp_path), "--url", url])
    assert result.exit_code == 1
    assert f"{ACL_IMDB.size_bytes:,}" in result.stderr
    assert ACL_IMDB.url.endswith("/aclImdb_v1.tar.gz")

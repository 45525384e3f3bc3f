import json
import lzma
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.training.archive import REVIEWS, pack, published_layout
from training.convert import convert
from training.errors import FetchError


def converted(archive: bytes, folder: Path) -> dict[str, list[dict[str, Any]]]:
    (folder / "archive.tar.gz").write_bytes(archive)
    convert(folder / "archive.tar.gz", folder / "data", lambda _: None)
    return {
        name: [json.loads(line) for line in lzma.open(folder / "data" / "imdb" / f"{name}.jsonl.xz", "rt")]
        for name in ("train", "test", "unsup")
    }


def member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_each_review_becomes_one_line_in_the_order_of_its_number(tmp_path: Path) -> None:
    found = converted(pack(published_layout()), tmp_path)
    assert [row["id"] for row in found["train"]] == [
        "train/neg/0_3",
        "train/neg/2_1",
        "train/neg/10_4",
        "train/pos/0_9",
    ]
    assert found["train"][0] == {
        "id": "train/neg/0_3",
        "label": 0,
        "rating": 3,
        "movie": "tt1000",
        "text": REVIEWS["aclImdb/train/neg/0_3.txt"],
    }
    assert found["test"][1] == {
        "id": "test/pos/1_10",
        "label": 1,
        "rating": 10,
        "movie": "tt1001",
        "text": "Yes!",
    }
    assert found["unsup"] == [
        {"id": "train/unsup/0_0", "label": None, "rating": None, "movie": "tt1000", "text": "Who knows?"}
    ]


def test_names_that_point_elsewhere_and_links_are_left_alone(tmp_path: Path) -> None:
    strange = {
        "../../outside.txt": b"x",
        "/tmp/outside.txt": b"x",  # noqa: S108 (it must not be written)
        "aclImdb/train/neg/../../../../outside_1.txt": b"x",
        "elsewhere/aclImdb/train/neg/5_1.txt": b"x",
        "aclImdb/train/neg/5_1.txt.exe": b"x",
    }
    links = (
        member("aclImdb/train/neg/7_1.txt", tarfile.SYMTYPE, "/etc/passwd"),
        member("aclImdb/train/neg/8_1.txt", tarfile.LNKTYPE, "aclImdb/train/neg/0_3.txt"),
        member("aclImdb/train/neg/9_1.txt", tarfile.DIRTYPE),
        member("aclImdb/train/neg/6_1.txt", tarfile.FIFOTYPE),
    )
    found = converted(pack(published_layout() | strange, links), tmp_path)
    assert found == converted(pack(published_layout()), tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "archive.tar.gz",
        "test.jsonl.xz",
        "train.jsonl.xz",
        "unsup.jsonl.xz",
    ]


def test_a_review_whose_film_is_not_listed_is_an_error(tmp_path: Path) -> None:
    files = published_layout()
    del files["aclImdb/test/urls_pos.txt"]
    with pytest.raises(FetchError, match="test/pos/1"):
        converted(pack(files), tmp_path)


def test_an_archive_of_something_else_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="holds no train reviews"):
        converted(pack({"hello.txt": b"hello"}), tmp_path)


def test_a_member_of_absurd_size_is_refused_before_it_is_read(tmp_path: Path) -> None:
    files = published_layout() | {"aclImdb/train/neg/1_1.txt": bytes((1 << 23) + 1)}
    with pytest.raises(FetchError, match="not the expected archive"):
        converted(pack(files), tmp_path)


@pytest.mark.parametrize("damage", [b"", b"no archive", pack(published_layout())[:-200]], ids=["empty", "text", "cut"])
def test_a_damaged_archive_is_named_with_the_way_out(tmp_path: Path, damage: bytes) -> None:
    with pytest.raises(FetchError, match=r"archive.*(fetch it again|not the expected archive)"):
        converted(damage, tmp_path)


def test_a_text_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="cannot be read"):
        converted(pack(published_layout() | {"aclImdb/train/neg/1_1.txt": b"\xff"}), tmp_path)

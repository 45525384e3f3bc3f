"""Turns the published archive into the three files that training reads.

The archive is read as a stream and never unpacked; its member names become ids of reviews and never paths.
"""

import json
import lzma
import os
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from training.errors import FetchError

Folder = tuple[str, str]  # ("train", "neg")
OUTPUTS: dict[str, list[Folder]] = {
    "train": [("train", "neg"), ("train", "pos")],
    "test": [("test", "neg"), ("test", "pos")],
    "unsup": [("train", "unsup")],
}

_REVIEW = re.compile(r"aclImdb/(train|test)/(neg|pos|unsup)/(\d{1,6})_(\d{1,2})\.txt")
_URLS = re.compile(r"aclImdb/(train|test)/urls_(neg|pos|unsup)\.txt")
_FILM = re.compile(r"/title/(tt\d+)/")
_LABELS = {"neg": 0, "pos": 1, "unsup": None}
_MAX_MEMBER_BYTES = 1 << 23
_PRESET = 3  # of xz: a quarter of the default's time, a tenth more bytes


@dataclass(slots=True)
class _Archive:
    """The content of the archive, by folder."""

    reviews: dict[Folder, dict[int, tuple[int, str]]] = field(default_factory=dict)  # number -> rating and text
    films: dict[Folder, list[str]] = field(default_factory=dict)  # indexed by the review's number


def convert(archive: Path, data: Path, on_bytes: Callable[[int], None]) -> dict[str, int]:
    """Write `data`/imdb/{train,test,unsup}.jsonl.xz; returns the number of reviews in each.

    Each line is an object with id (such as "train/neg/0_3"), label (0, 1 or null), rating (1-10 or null), movie
    (the IMDb id) and text, as published; sorted by folder and number. `on_bytes` gets the position in the archive.
    Raises FetchError.
    """
    content = _read(archive, on_bytes)
    counts = {}
    for name, folders in OUTPUTS.items():
        lines = [line for folder in folders for line in _lines(content, folder)]
        if not lines:
            raise FetchError(f"{archive} holds no {name} reviews: it is not the expected archive; fetch it again")
        write_lines(data / "imdb" / f"{name}.jsonl.xz", lines)
        counts[name] = len(lines)
    return counts


def _read(archive: Path, on_bytes: Callable[[int], None]) -> _Archive:
    content = _Archive()
    try:
        with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r|gz") as members:
            for member in members:
                _take(member, members, content)
                on_bytes(raw.tell())
    except (tarfile.TarError, zlib.error, EOFError, UnicodeDecodeError, OSError) as error:
        raise FetchError(f"{archive} cannot be read ({error}): delete it and fetch it again") from error
    return content


def _take(member: tarfile.TarInfo, members: tarfile.TarFile, content: _Archive) -> None:
    """Keep the member's content if it is a review or a list of film addresses; ignore anything else."""
    review, urls = _REVIEW.fullmatch(member.name), _URLS.fullmatch(member.name)
    if not member.isfile() or not (review or urls):
        return
    if member.size > _MAX_MEMBER_BYTES:
        raise FetchError(f"{member.name} has {member.size:,} bytes: this is not the expected archive; fetch it again")
    file = members.extractfile(member)
    text = file.read().decode("utf-8") if file else ""
    if review:
        part, kind, number, rating = review.groups()
        content.reviews.setdefault((part, kind), {})[int(number)] = (int(rating), text)
    elif urls:
        part, kind = urls.groups()
        films = [_FILM.search(line) for line in text.splitlines()]
        content.films[part, kind] = [film.group(1) if film else "" for film in films]


def _lines(content: _Archive, folder: Folder) -> Iterable[str]:
    films, label = content.films.get(folder, []), _LABELS[folder[1]]
    for number, (rating, text) in sorted(content.reviews.get(folder, {}).items()):
        if number >= len(films) or not films[number]:
            raise FetchError(f"the archive lists no film for {'/'.join(folder)}/{number}: delete it and fetch it again")
        record = {
            "id": f"{'/'.join(folder)}/{number}_{rating}",
            "label": label,
            "rating": None if label is None else rating,
            "movie": films[number],
            "text": text,
        }
        yield json.dumps(record, ensure_ascii=False) + "\n"


def write_lines(path: Path, lines: list[str]) -> None:
    """Write a .xz file under another name, then rename it, so a file at `path` is complete. Raises FetchError."""
    beside = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lzma.open(beside, "wt", encoding="utf-8", preset=_PRESET) as file:
            file.writelines(lines)
        os.replace(beside, path)  # noqa: PTH105 (the atomic call by its known name)
    except OSError as error:
        raise FetchError(f"cannot write {path}: {error.strerror or error}; choose another --out") from error

"""Downloads a published file over HTTP.

A download continues where an earlier one stopped. Nothing is used before its size and digests match those of the
published file.
"""

import hashlib
import http.client
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from training.errors import FetchError

_CHUNK_BYTES = 1 << 18
_TIMEOUT_S = 30.0
_ATTEMPTS = 3

OnBytes = Callable[[int], None]  # gets the number of bytes present


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """Address, size and digests of a published file; any other content is refused."""

    url: str
    size_bytes: int
    md5: str
    sha1: str


def download(url: str, target: Path, expected: PublishedFile, on_bytes: OnBytes) -> None:
    """Fetch the expected file from `url` to `target`; a `target` that is already right is kept.

    Bytes are written to `target`.part, where a later call continues. Raises FetchError; after a broken connection
    the part is kept, after a wrong digest it is deleted.
    """
    _check_address(url)
    if target.is_file() and _difference(target, expected) is None:
        return
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fill(url, part, expected.size_bytes, on_bytes)
        difference = _difference(part, expected)
        if difference:
            part.unlink()
            raise FetchError(f"{url} is not the published file: {difference}. It was deleted: check the address")
        os.replace(part, target)  # noqa: PTH105 (the atomic call by its known name)
        _validator_of(part).unlink(missing_ok=True)
    except OSError as error:
        raise FetchError(f"cannot write {target}: {error.strerror or error}; choose another --out") from error


def _check_address(url: str) -> None:
    try:
        address = urlsplit(url)
        usable = url.isascii() and address.scheme in ("http", "https") and address.hostname and address.port != 0
    except ValueError:  # invalid brackets or port
        usable = False
    if not usable:
        raise FetchError(f"{url}: only http and https addresses in ASCII can be fetched: check --url")


def _fill(url: str, part: Path, size_bytes: int, on_bytes: OnBytes) -> None:
    """Complete `part` in up to three attempts, each of which continues the one before. Raises FetchError."""
    problem = "the server closed the connection"
    for _ in range(_ATTEMPTS):
        if _size_of(part) == size_bytes:
            return
        try:
            _request_rest(url, part, size_bytes, on_bytes)
        except urllib.error.HTTPError as error:
            error.close()  # it holds the connection
            if error.code < 500:
                raise FetchError(f"{url} answered {error.code} {error.reason}: check the address") from error
            problem = f"the server answered {error.code} {error.reason}"
        except (urllib.error.URLError, http.client.HTTPException, ssl.SSLError, ConnectionError, TimeoutError) as error:
            problem = str(getattr(error, "reason", error))
    have = _size_of(part)
    if have != size_bytes:
        raise FetchError(
            f"{url}: {have:,} of {size_bytes:,} bytes arrived, then: {problem}. Run the same command again to continue"
        )


def _request_rest(url: str, part: Path, size_bytes: int, on_bytes: OnBytes) -> None:
    """Request what `part` lacks, or the whole file where the server does not continue."""
    have = _size_of(part)
    if have > size_bytes:
        have = 0
    headers = {"Accept-Encoding": "identity", "User-Agent": "sentiment-worker-training"}
    if have:
        headers["Range"] = f"bytes={have}-"
        validator = _validator_of(part)
        if validator.exists():  # the server sends the whole file if its version has changed
            headers["If-Range"] = validator.read_text("ascii")
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (the scheme was checked)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 (likewise)
        content_range = response.headers.get("Content-Range") or ""
        continues = response.status == HTTPStatus.PARTIAL_CONTENT and content_range.startswith(f"bytes {have}-")
        if not continues:
            if response.status != HTTPStatus.OK:
                part.unlink(missing_ok=True)  # the next attempt asks for the whole file
                return
            have = 0
            _remember_validator(part, response)
        with part.open("ab" if continues else "wb") as file:
            while chunk := response.read(_CHUNK_BYTES):
                have += len(chunk)
                if have > size_bytes:
                    raise FetchError(f"{url} is not the published file: longer than {size_bytes:,} bytes")
                file.write(chunk)
                on_bytes(have)


def _size_of(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _remember_validator(part: Path, response: http.client.HTTPResponse) -> None:
    """Store what If-Range may contain: a strong ETag, else the date (RFC 9110, 13.1.5)."""
    tag = response.headers.get("ETag") or ""
    validator = tag if tag.startswith('"') else response.headers.get("Last-Modified")
    if validator and validator.isascii():
        _validator_of(part).write_text(validator, "ascii")
    else:
        _validator_of(part).unlink(missing_ok=True)


def _validator_of(part: Path) -> Path:
    return part.with_name(part.name + ".validator")


def _difference(path: Path, expected: PublishedFile) -> str | None:
    """How the file differs from the expected one, or None."""
    size_bytes = path.stat().st_size
    if size_bytes != expected.size_bytes:
        return f"it has {size_bytes:,} bytes, not {expected.size_bytes:,}"
    for name, digest in (("md5", expected.md5), ("sha1", expected.sha1)):
        with path.open("rb") as file:
            found = hashlib.file_digest(file, partial(hashlib.new, name, usedforsecurity=False)).hexdigest()
        if found != digest:
            return f"its {name} is {found}, not {digest}"
    return None

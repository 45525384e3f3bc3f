"""Downloads a published file over HTTP.

A download continues where an earlier one broke off, and nothing is used before its size and digests are those of
the published file.
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

OnBytes = Callable[[int], None]  # bytes that are there now


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """What the publishers offer, so that anything else is refused."""

    url: str
    size_bytes: int
    md5: str
    sha1: str


def download(url: str, target: Path, expected: PublishedFile, on_bytes: OnBytes) -> None:
    """Fetch `url` to `target`, which then is the expected file; a `target` that is already right is kept.

    Bytes arrive in `target`.part, where a later call continues. Raises FetchError; after a broken connection the
    part is kept, after a wrong digest it is deleted.
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
            raise FetchError(f"{url} is not the published file: {difference}. Nothing of it was kept")
        os.replace(part, target)  # noqa: PTH105 (the atomic call by its known name)
        _validator_of(part).unlink(missing_ok=True)
    except OSError as error:
        raise FetchError(f"cannot write {target}: {error.strerror or error}") from error


def _check_address(url: str) -> None:
    try:
        address = urlsplit(url)
        usable = url.isascii() and address.scheme in ("http", "https") and address.hostname and address.port != 0
    except ValueError:  # brackets or a port that are none
        usable = False
    if not usable:
        raise FetchError(f"{url}: only http and https addresses can be fetched, written in ASCII: check --url")


def _fill(url: str, part: Path, size_bytes: int, on_bytes: OnBytes) -> None:
    """Bring `part` to its full size, in a few attempts; each continues the one before."""
    problem = "the server closed the connection"
    for _ in range(_ATTEMPTS):
        if part.exists() and part.stat().st_size == size_bytes:
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
    have = part.stat().st_size if part.exists() else 0
    if have != size_bytes:
        raise FetchError(
            f"{url}: {have:,} of {size_bytes:,} bytes arrived, then: {problem}. Run the same command again to continue"
        )


def _request_rest(url: str, part: Path, size_bytes: int, on_bytes: OnBytes) -> None:
    """One request for what `part` lacks; starts afresh where the server does not continue."""
    have = part.stat().st_size if part.exists() else 0
    if have > size_bytes:
        have = 0
    headers = {"Accept-Encoding": "identity", "User-Agent": "sentiment-worker-training"}
    if have:
        headers["Range"] = f"bytes={have}-"
        validator = _validator_of(part)
        if validator.exists():  # the server sends the whole file if it is not the one we began
            headers["If-Range"] = validator.read_text("ascii")
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (the scheme was checked)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 (likewise)
        continues = response.status == HTTPStatus.PARTIAL_CONTENT and _starts_at(response, have)
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


def _starts_at(response: http.client.HTTPResponse, offset: int) -> bool:
    return (response.headers.get("Content-Range") or "").startswith(f"bytes {offset}-")


def _remember_validator(part: Path, response: http.client.HTTPResponse) -> None:
    """Keep what If-Range may name: a strong ETag, else the date (RFC 9110, 13.1.5)."""
    tag = response.headers.get("ETag") or ""
    validator = tag if tag.startswith('"') else response.headers.get("Last-Modified")
    if validator and validator.isascii():
        _validator_of(part).write_text(validator, "ascii")
    else:
        _validator_of(part).unlink(missing_ok=True)


def _validator_of(part: Path) -> Path:
    return part.with_name(part.name + ".validator")


def _difference(path: Path, expected: PublishedFile) -> str | None:
    """What tells the file from the expected one, or None."""
    size_bytes = path.stat().st_size
    if size_bytes != expected.size_bytes:
        return f"it has {size_bytes:,} bytes, not {expected.size_bytes:,}"
    for name, digest in (("md5", expected.md5), ("sha1", expected.sha1)):
        with path.open("rb") as file:
            found = hashlib.file_digest(file, partial(hashlib.new, name, usedforsecurity=False)).hexdigest()
        if found != digest:
            return f"its {name} is {found}, not {digest}"
    return None

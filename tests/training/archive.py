"""A small archive in the layout of the published one, and a local HTTP server that behaves like real ones."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from training.download import PublishedFile

REVIEWS = {
    "aclImdb/train/neg/0_3.txt": "A dull film.<br /><br />Ünder par.",
    "aclImdb/train/neg/2_1.txt": "Worse.",
    "aclImdb/train/neg/10_4.txt": "Not good.",
    "aclImdb/train/pos/0_9.txt": "A fine film.",
    "aclImdb/test/neg/0_2.txt": "No.",
    "aclImdb/test/pos/1_10.txt": "Yes!",
    "aclImdb/train/unsup/0_0.txt": "Who knows?",
}
FILMS = {"aclImdb/train/urls_neg.txt": 11, "aclImdb/train/urls_pos.txt": 1, "aclImdb/train/urls_unsup.txt": 1} | {
    "aclImdb/test/urls_neg.txt": 1,
    "aclImdb/test/urls_pos.txt": 2,
}


def urls(count: int) -> str:
    return "".join(f"http://www.imdb.com/title/tt{1000 + n}/usercomments\n" for n in range(count))


def pack(files: dict[str, bytes], others: tuple[tarfile.TarInfo, ...] = ()) -> bytes:
    """A .tar.gz of these files; `others` are members without content."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in others:
            archive.addfile(member)
    return packed.getvalue()


def published_layout() -> dict[str, bytes]:
    """The members of a whole small archive; the films' addresses come after the reviews."""
    texts = {**REVIEWS, **{name: urls(count) for name, count in FILMS.items()}}
    return {name: text.encode() for name, text in texts.items()} | {"aclImdb/README": b"read me"}


def expect(content: bytes, url: str = "") -> PublishedFile:
    """The digests of this content."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    return PublishedFile(url, len(content), md5, sha1)


@dataclass
class Manners:
    """How the server behaves; tests change it between requests."""

    content: bytes
    etag: str | None = '"v1"'
    last_modified: str | None = None
    knows_range: bool = True
    break_after: list[int] = field(default_factory=list)  # bytes of the next answers' bodies, then whole ones
    status: int | None = None  # answer this and nothing else
    requests: list[dict[str, str]] = field(default_factory=list)  # headers seen

    @property
    def ranges(self) -> list[str | None]:
        """The Range header of each request."""
        return [headers.get("Range") for headers in self.requests]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    manners: Manners

    def do_GET(self) -> None:
        manners = self.manners
        manners.requests.append(dict(self.headers.items()))
        if manners.status:
            self.send_error(manners.status)
            return
        start = self._start()
        body = manners.content[start:]
        self.send_response(206 if start else 200)
        if start:
            end = len(manners.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(manners.content)}")
        self.send_header("Content-Length", str(len(body)))
        if manners.etag:
            self.send_header("ETag", manners.etag)
        if manners.last_modified:
            self.send_header("Last-Modified", manners.last_modified)
        self.end_headers()
        self.wfile.write(body[: manners.break_after.pop(0)] if manners.break_after else body)
        self.close_connection = True

    def _start(self) -> int:
        wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
        current = condition in (None, self.manners.etag, self.manners.last_modified)
        return int(wanted[len("bytes=") : -1]) if wanted and current and self.manners.knows_range else 0

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
        pass


@contextmanager
def serving(manners: Manners) -> Iterator[str]:
    """The address of a server that behaves like this."""
    handler = type("Handler", (_Handler,), {"manners": manners})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/aclImdb_v1.tar.gz"
        finally:
            server.shutdown()
            thread.join()

"""A TCP proxy that stands between a worker and its broker and does to their connections what networks do."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")
END_TXN, OFFSET_COMMIT = 26, 8  # the API keys of the requests that commit, with and without transactions
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing throws away what is under way and sends RST
ANSWER_LIMIT_S = 5.0


class Proxy:
    """Listens at `address` while inside, and passes everything on to `target`, both "host:port"."""

    def __init__(self) -> None:
        self.address = ""
        self.target = ""  # known when the broker runs, which needs `address` first
        self.severed = 0  # connections that `sever` has cut
        self._halves: set[_Half] = set()
        self._black = False
        self._latency_s = 0.0
        self._s_per_byte = 0.0
        self._severing: tuple[int, bool] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        # The port is chosen and taken in one step, and kept: nobody else can have got it.
        listening = self._loop.create_server(lambda: _Half(self), "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(ANSWER_LIMIT_S)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._server.close)
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_LIMIT_S)
        self._loop.close()

    def cut(self) -> int:
        """Reset every connection; how many there were."""
        return self._do(self._cut)

    def black_hole(self) -> None:
        """Swallow everything that is sent. Open connections stay open until `heal`."""
        self._do(self._swallow)

    def slow(self, *, latency_s: float, bytes_per_s: float) -> None:
        """Let each piece wait, and the next one until it is through."""
        self._latency_s, self._s_per_byte = latency_s, 1 / bytes_per_s

    def sever(self, api_key: int, *, answered: bool) -> None:
        """Reset the connection of each such request: before it arrives, or in place of the answer."""
        self._severing = api_key, answered

    def heal(self) -> None:
        """Let new connections be good ones. Those that went into a black hole stay there, as behind a firewall."""
        self._black = False
        self._severing = None
        self._latency_s = self._s_per_byte = 0.0

    def delay_s(self, size: int) -> float:
        """How long a piece of this many bytes takes."""
        return self._latency_s + size * self._s_per_byte

    def severs(self, data: bytes) -> bool | None:
        """Whether a piece begins with a request to be severed: True once it is answered, False at once, else None."""
        if self._severing is None or len(data) < 6:
            return None
        api_key, answered = self._severing
        _size, key = struct.unpack_from(">ih", data)
        return answered if key == api_key else None

    async def connect(self, client: "_Half") -> None:
        """Give a client its other half."""
        if self._black:
            client.black = True
            return
        try:
            await self._loop.create_connection(lambda: _Half(self, client), *_split(self.target))
        except OSError:
            client.reset()

    def join(self, half: "_Half") -> None:
        """Take note of a new connection."""
        self._halves.add(half)

    def forget(self, half: "_Half") -> None:
        """Take note that a connection is gone."""
        self._halves.discard(half)

    def _cut(self) -> int:
        halves = list(self._halves)
        for half in halves:
            half.reset()
        return len(halves) // 2

    def _swallow(self) -> None:
        self._black = True
        for half in self._halves:
            half.black = True

    def _do(self, function: Callable[[], T]) -> T:
        async def inside() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(inside(), self._loop).result(ANSWER_LIMIT_S)


class _Half(asyncio.Protocol):
    """One end of a connection through the proxy; what arrives here leaves at the other."""

    def __init__(self, proxy: Proxy, client: "_Half | None" = None) -> None:
        self.black = False
        self._proxy = proxy
        self._other = client  # None in the half of a client, until the broker's is there
        self._from_client = client is None
        self._last_answer = False  # to be severed instead of passed on
        self._early = b""  # read before the other half was there

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._proxy.join(self)
        if self._other is None:
            self._connecting = asyncio.ensure_future(self._proxy.connect(self))
        else:
            self._other.meet(self)

    def meet(self, other: "_Half") -> None:
        """Begin to pass on, unless this end is gone meanwhile."""
        self._other = other
        if self._transport.is_closing():
            other._transport.abort()
        early, self._early = self._early, b""
        if early:
            self.data_received(early)

    def data_received(self, data: bytes) -> None:
        if self.black:
            return
        if self._other is None:
            self._early += data
            return
        severs = self._proxy.severs(data) if self._from_client else None
        if severs is False or self._last_answer:
            self._proxy.severed += 1
            self.reset()
            return
        if severs:
            self._other._last_answer = True
        delay_s = self._proxy.delay_s(len(data))
        if delay_s:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(delay_s, self._pass_on, data)
        else:
            self._other.write(data)

    def write(self, data: bytes) -> None:
        """Send, unless it is too late."""
        if not self._transport.is_closing() and not self.black:
            self._transport.write(data)

    def reset(self) -> None:
        """End both halves with an RST."""
        for half in filter(None, (self, self._other)):
            with contextlib.suppress(OSError):
                half._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            half._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # its interface
        self._proxy.forget(self)
        if self._other is not None and not self.black:
            self._other._transport.close()

    def _pass_on(self, data: bytes) -> None:
        assert self._other is not None
        self._other.write(data)
        if not self._transport.is_closing():
            self._transport.resume_reading()


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)

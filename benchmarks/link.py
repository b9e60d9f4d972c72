"""A network link between a site and Redis: a TCP proxy with bandwidth, delay and cuts."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

_HOST = "127.0.0.1"
_SLICE = 4096
"""Bytes that pass at once, per direction; small, so that connections share the link evenly."""

_BUFFER_S = 0.1
"""How much of the future a direction accepts: a router's buffer, in seconds of its bandwidth."""

_KERNEL_BUFFER = 16384
"""Bytes the proxy's own sockets hold back; else the kernel takes megabytes at once."""


class Direction:
    """One direction of the link, shared by all connections.

    Attributes:
        nbytes: How many bytes have passed.
    """

    def __init__(self, bit_per_s: float, delay_s: float) -> None:
        self._bit_per_s = bit_per_s
        self._delay_s = delay_s
        self._free_at = 0.0
        self._entrance = asyncio.Lock()
        self.nbytes = 0

    async def admit(self, nbytes: int) -> float:
        """Wait until the buffer takes so many bytes, and return when they come out at the end."""
        clock = asyncio.get_running_loop().time
        async with self._entrance:
            await asyncio.sleep(max(0.0, self._free_at - clock() - _BUFFER_S))
            self._free_at = max(self._free_at, clock()) + 8 * nbytes / self._bit_per_s
            self.nbytes += nbytes
            return self._free_at + self._delay_s


class Link:
    """A proxy in a thread of its own: what connects to its port reaches another port slowly.

    A context manager.

    Attributes:
        port: Where it listens, also after a cut.
        up: What goes to the server.
        down: What comes from it.
    """

    def __init__(self, to_port: int, *, bit_per_s: float = 1e9, delay_s: float = 0.0) -> None:
        """Describe a link; it opens with the context.

        Args:
            to_port: The server's port on this machine.
            bit_per_s: Bandwidth of each direction.
            delay_s: How long a byte travels one way; half of a round trip.
        """
        self._to_port = to_port
        self.up = Direction(bit_per_s, delay_s)
        self.down = Direction(bit_per_s, delay_s)
        self._cut_at: int | None = None
        self._cut_every: int | None = None
        self._is_cut = False
        self._carries = asyncio.Event()
        self._carries.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._listening = socket.create_server((_HOST, 0))
        # Connections inherit it from here; the window that a sender sees follows from it.
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KERNEL_BUFFER)
        self.port: int = self._listening.getsockname()[1]

    def __enter__(self) -> Self:
        """Begin to carry bytes."""
        self._thread.start()
        self._server = self._run(
            asyncio.start_server(self._connected, sock=self._listening, limit=_SLICE)
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cut all connections and end the thread."""
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Lose every connection, and every new one until `mend`."""
        self._is_cut = True
        self._loop.call_soon_threadsafe(self._lose)

    def stall(self) -> None:
        """Carry nothing until `mend`, and close nothing: a cable was pulled."""
        self._loop.call_soon_threadsafe(self._carries.clear)

    def mend(self) -> None:
        """Carry bytes again after `cut` or `stall`."""
        self._is_cut = False
        self._loop.call_soon_threadsafe(self._carries.set)

    def cut_after(self, nbytes: int, *, again: bool = False) -> None:
        """Lose every connection when so many more bytes have passed, either way.

        Args:
            nbytes: So many.
            again: Lose them again after as many more, and so on.
        """
        self._cut_at = self.nbytes + nbytes
        self._cut_every = nbytes if again else None

    @property
    def nbytes(self) -> int:
        """How many bytes have passed, both ways together."""
        return self.up.nbytes + self.down.nbytes

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either end closes it."""
        self._open.add(writer)
        try:
            if self._is_cut:
                return
            there, away = await asyncio.open_connection(_HOST, self._to_port, limit=_SLICE)
            self._open.add(away)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._carry(reader, away, self.up))
                    both.create_task(self._carry(there, writer, self.down))
            finally:
                self._close(away)
        except (OSError, ExceptionGroup):
            pass  # one end is gone
        finally:
            self._close(writer)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction
    ) -> None:
        """Carry one direction of a connection.

        Raises:
            ConnectionResetError: At its end, so that the other direction ends, too.
        """
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arriving = asyncio.create_task(self._arrive(on_the_way, writer))
        try:
            while data := await reader.read(_SLICE):
                await on_the_way.put((await way.admit(len(data)), data))
                if self._cut_at is not None and self.nbytes >= self._cut_at:
                    self._cut_at = self._cut_every and self.nbytes + self._cut_every
                    self._lose()
        finally:
            arriving.cancel()
        raise ConnectionResetError

    async def _arrive(
        self, on_the_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        clock = asyncio.get_running_loop().time
        with suppress(OSError):  # the other direction notices, too
            while True:
                at, data = await on_the_way.get()
                await asyncio.sleep(at - clock())
                await self._carries.wait()
                writer.write(data)
                await writer.drain()

    def _lose(self) -> None:
        for writer in [*self._open]:
            self._close(writer)

    def _close(self, writer: asyncio.StreamWriter) -> None:
        """Close a connection as a broken line does: at once, with what is on its way."""
        self._open.discard(writer)
        writer.transport.abort()

    async def _end(self) -> None:
        self._server.close()
        self._lose()
        # Each connection ends by itself now.
        await asyncio.gather(
            *(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True
        )

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

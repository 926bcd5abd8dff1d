"""A real HTTP server for tests, on this machine, that does what a test wants, badly if need be."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import h11

from services.runtime.background import end_tasks


@dataclass(slots=True)
class Asked:
    """A request as it came."""

    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass(slots=True)
class Reply:
    """A response; `raw` is written as it is instead, and then the connection is closed."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    close: bool = False


Answers = Callable[[Asked], Awaitable[Reply]]


@dataclass(slots=True)
class HttpServer:
    """A server that runs."""

    port: int
    scheme: str
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def url(self, path: str = "/detect", host: str = "127.0.0.1") -> str:
        """Of something on it."""
        return f"{self.scheme}://{host}:{self.port}{path}"

    def hang_up(self) -> None:
        """Closes all connections."""
        for writer in self.writers:
            writer.close()


@asynccontextmanager
async def http_server(
    answers: Answers, *, certificates: Path | None = None, port: int = 0
) -> AsyncIterator[HttpServer]:
    """`certificates`: a folder with `edge.pem` and `edge.key`, for TLS."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        running.connections += 1
        running.writers.append(writer)
        try:
            await _talk(reader, writer, running, running.connections, answers)
        except (OSError, h11.RemoteProtocolError):
            pass
        finally:
            writer.close()

    context = None
    if certificates is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificates / "edge.pem", certificates / "edge.key")
    running = HttpServer(0, "http" if context is None else "https")
    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=context)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        await end_tasks([*tasks])
        await gone(running.writers)


async def gone(writers: Iterable[asyncio.StreamWriter]) -> None:
    """Ends connections at once: a polite end by TLS would wait for the other side, and be found by another test."""
    for writer in writers:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def _talk(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, running: HttpServer, number: int, answers: Answers
) -> None:
    protocol = h11.Connection(h11.SERVER)
    while (asked := await _asked(protocol, reader, number)) is not None:
        running.asked.append(asked)
        reply = await answers(asked)
        if reply.raw is not None:
            writer.write(reply.raw)
            await writer.drain()
            return
        headers = {"content-length": str(len(reply.body)), **reply.headers}
        if reply.close:
            headers["connection"] = "close"
        response = h11.Response(status_code=reply.status, headers=list(headers.items()))
        for event in (response, h11.Data(data=reply.body), h11.EndOfMessage()):
            writer.write(protocol.send(event) or b"")
        await writer.drain()
        if protocol.our_state is not h11.DONE:
            return
        protocol.start_next_cycle()


async def _asked(protocol: h11.Connection, reader: asyncio.StreamReader, number: int) -> Asked | None:
    asked: Asked | None = None
    while True:
        event = protocol.next_event()
        if event is h11.NEED_DATA:
            protocol.receive_data(await reader.read(65_536))
        elif isinstance(event, h11.Request):
            headers = {name.decode(): value.decode() for name, value in event.headers}
            asked = Asked(event.target.decode(), headers, b"", number)
        elif isinstance(event, h11.Data):
            assert asked is not None
            asked.body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return asked
        else:
            return None

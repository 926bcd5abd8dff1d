"""Posts JSON to one endpoint. No redirects, no proxies, no compression; answers are bounded, certificates checked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h11

from services.detection.detectors.endpoints import HttpEndpoint, is_loopback
from services.detection.detectors.port import NotThere, WrongAnswer

_PIECE = 65_536
_MOST_HEADERS = 16 * 1024
_OK, _REDIRECTS = 200, range(300, 400)
_ABOUT_THE_CONTENT = frozenset((400, 413, 415, 422))
"""Refusals of what was sent: another content may be answered."""


@dataclass(slots=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    protocol: h11.Connection
    fresh: bool = True

    def close(self) -> None:
        self.writer.close()


class _Stale(Exception):
    """A connection that was kept has been closed by the other side: another one may do."""


class HttpClient:
    """Belongs to one event loop. Keeps connections for the next call."""

    def __init__(self, url: str, *, most_bytes: int, connections: int, ca_file: Path | None = None) -> None:
        """Answers may have `most_bytes`; `connections` may be kept. `ca_file` is believed instead of the system's authorities."""
        self._endpoint = HttpEndpoint.parse(url)
        self._most_bytes = most_bytes
        self._connections = connections
        self._ssl = ssl.create_default_context(cafile=ca_file) if self._endpoint.secure else None
        self._idle: list[_Connection] = []

    async def post(self, body: bytes, *, secret: str = "") -> bytes:
        """The body of a 200. Raises NotThere and WrongAnswer, neither of which says anything of what was sent or answered.

        A kept connection that turns out to be closed is replaced once: asking twice is harmless, detectors keep nothing.
        """
        while True:
            connection = await self._connection()
            try:
                answer, reusable = await self._exchange(connection, body, secret)
            except _Stale:
                connection.close()
                continue
            except (OSError, h11.RemoteProtocolError) as error:
                connection.close()
                raise NotThere(f"its connection broke: {type(error).__name__}") from None
            except BaseException:
                connection.close()
                raise
            if reusable and len(self._idle) < self._connections:
                connection.protocol.start_next_cycle()
                connection.fresh = False
                self._idle.append(connection)
            else:
                connection.close()
            return answer

    async def close(self) -> None:
        """Ends the connections that are kept."""
        while self._idle:
            self._idle.pop().close()

    async def _connection(self) -> _Connection:
        while self._idle:
            kept = self._idle.pop()
            if not kept.reader.at_eof() and not kept.writer.is_closing():
                return kept
            kept.close()
        endpoint = self._endpoint
        try:
            reader, writer = await asyncio.open_connection(
                endpoint.host, endpoint.port, ssl=self._ssl, server_hostname=endpoint.host if endpoint.secure else None
            )
        except (OSError, ssl.SSLError) as error:
            raise NotThere(f"it cannot be reached: {type(error).__name__}") from None
        if not endpoint.secure and not is_loopback(str(writer.get_extra_info("peername")[0])):
            writer.close()
            raise NotThere("its name does not lead to this machine, and it is no https")
        return _Connection(reader, writer, h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEADERS))

    async def _exchange(self, connection: _Connection, body: bytes, secret: str) -> tuple[bytes, bool]:
        headers = {
            "host": self._endpoint.authority,
            "content-type": "application/json",
            "content-length": str(len(body)),
            "accept": "application/json",
            "accept-encoding": "identity",
            **({"authorization": f"Bearer {secret}"} if secret else {}),
        }
        try:
            await _send(connection, self._endpoint.target, headers, body)
            response = await _head(connection)
        except (OSError, h11.RemoteProtocolError):
            if connection.fresh:
                raise
            raise _Stale from None
        _check(response)
        answer = bytearray()
        while True:
            event = await _next(connection)
            if isinstance(event, h11.Data):
                answer += event.data
                if len(answer) > self._most_bytes:
                    raise WrongAnswer(f"its answer has more than {self._most_bytes} bytes")
            elif isinstance(event, h11.EndOfMessage):
                return bytes(
                    answer
                ), connection.protocol.our_state is h11.DONE and connection.protocol.their_state is h11.DONE
            else:
                raise NotThere("its connection ended within an answer")


async def _send(connection: _Connection, target: str, headers: Mapping[str, str], body: bytes) -> None:
    protocol = connection.protocol
    request = h11.Request(method="POST", target=target, headers=list(headers.items()))
    pieces = (protocol.send(request), protocol.send(h11.Data(data=body)), protocol.send(h11.EndOfMessage()))
    connection.writer.writelines([piece for piece in pieces if piece])
    await connection.writer.drain()


async def _head(connection: _Connection) -> h11.Response:
    while True:
        event = await _next(connection)
        if isinstance(event, h11.Response):
            return event
        if not isinstance(event, h11.InformationalResponse):
            raise ConnectionResetError


async def _next(connection: _Connection) -> object:
    while (event := connection.protocol.next_event()) is h11.NEED_DATA:
        connection.protocol.receive_data(await connection.reader.read(_PIECE))
    return event


def _check(response: h11.Response) -> None:
    status = response.status_code
    if status in _REDIRECTS:
        raise NotThere(f"it answers {status}: redirects are not followed; name the address it points to")
    if status in _ABOUT_THE_CONTENT:
        raise WrongAnswer(f"it refuses the content with {status}")
    if status != _OK:
        raise NotThere(f"it answers {status}")
    encoding = dict(response.headers).get(b"content-encoding", b"identity")
    if encoding not in (b"identity", b""):
        raise WrongAnswer("its answer is compressed, which was not asked for")

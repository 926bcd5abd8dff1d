"""Channels to other services, and the sender that a coalescer needs to call a list RPC."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import grpc
from google.rpc import code_pb2, status_pb2

from services.runtime.errors import RemoteError, from_rpc_error

if TYPE_CHECKING:
    from moat_client.coalescer import Batch, Pending, Sender

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Room for a list of 256 of the largest items with their records."""

CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # A peer that was killed is back within a second: find it again as fast.
    ("grpc.initial_reconnect_backoff_ms", 50),
    # In spite of its name this is how long one attempt may take: a TLS handshake on a busy machine takes its time.
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # Retries are decided by callers who know whether repeating is safe.
    ("grpc.enable_retries", 0),
)
"""What every channel is opened with, whoever's client it belongs to."""


def open_channel(
    address: str, *, server_name: str, ca_file: Path, certificate_file: Path, key_file: Path
) -> grpc.aio.Channel:
    """A channel that only talks to the holder of a certificate for `server_name` (`audit.moat.local`)."""
    credentials = grpc.ssl_channel_credentials(
        root_certificates=ca_file.read_bytes(),
        private_key=key_file.read_bytes(),
        certificate_chain=certificate_file.read_bytes(),
    )
    return grpc.aio.secure_channel(
        address, credentials, [*CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", server_name)]
    )


class ListResult(Protocol):
    """One result of a list RPC: which item it is for, and its error if it has one."""

    @property
    def index(self) -> int:
        """Position of the item in the request."""

    @property
    def error(self) -> status_pb2.Status:
        """Code OK when there is none."""


ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT", bound=ListResult)


def list_sender(
    call: Callable[..., AsyncIterable[Any]],
    request: Callable[[Sequence[ItemT]], object],
    *,
    peer: str,
    max_seconds: float,
) -> Sender[ItemT, ResultT]:
    """Makes a coalescer's `send` out of a list RPC whose responses carry `results`.

    The call lasts until its most patient item's deadline, `max_seconds` at most. An item's own error fails that item
    with RemoteError; a failed call fails the items that were not answered yet.
    """

    async def send(batch: Batch[ItemT, ResultT]) -> None:
        timeout = _timeout(batch, max_seconds)
        try:
            async for response in call(request([pending.item for pending in batch]), timeout=timeout):
                for result in response.results:
                    if result.error.code != code_pb2.OK:
                        batch[result.index].fail(RemoteError(result.error))
                    else:
                        batch[result.index].resolve(result)
                batch.answers_have_begun()
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, peer) from error

    return send


def _timeout(batch: Sequence[Pending[Any, Any]], max_seconds: float) -> float:
    now = time.monotonic()
    longest = 0.0
    for pending in batch:
        longest = max(longest, max_seconds if pending.deadline is None else pending.deadline - now)
    return min(longest, max_seconds)

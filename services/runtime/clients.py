"""Channels to other services."""

from __future__ import annotations

from pathlib import Path

import grpc

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

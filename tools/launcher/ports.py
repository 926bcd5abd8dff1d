"""Finds loopback ports: the preferred ones if they are free, so that addresses stay the same from start to start."""

from __future__ import annotations

import socket
from typing import Self

LOOPBACK = "127.0.0.1"
_HIGHEST = 32_000
"""Above it begins what Linux hands out for outgoing connections."""


class Ports:
    """Hands each port out once on this machine, until it is closed.

    Between finding a port free and a server listening there lie seconds, in which another mesh that starts just now
    would find it free as well. So each port is also claimed by a name that only one process can hold: an abstract unix
    socket, which the kernel gives back however its holder ends.
    """

    def __init__(self) -> None:
        """Nothing is claimed yet."""
        self._claims: list[socket.socket] = []

    def __enter__(self) -> Self:
        """For `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Gives up all claims."""
        self.close()

    def close(self) -> None:
        """Gives up all claims."""
        for claim in self._claims:
            claim.close()

    def pick(self, preferred: int) -> int:
        """`preferred`, or the next free port above it. Raises OSError when there is none."""
        for port in range(preferred, _HIGHEST):
            if self._claim(port):
                return port
        raise OSError(f"no free port between {preferred} and {_HIGHEST} on {LOOPBACK}")

    def _claim(self, port: int) -> bool:
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0moat-port-{port}")
        except OSError:
            claim.close()
            return False
        if not _is_free(port):
            claim.close()
            return False
        self._claims.append(claim)
        return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT after a kill is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True

"""What a worker process does: it takes a stranger's bytes, and gives back what is kept of them.

A decoder is a large piece of C that eats what strangers send. Here it may crash, hang or ask for all memory, and costs a process
and one refusal. Asked and answered over stdin and stdout: a length (4 bytes, big endian), then that many bytes; the bytes in,
msgpack out. Ends with its stdin. Its parent's side is `workers`.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import sys
from collections.abc import Callable, Sequence

import msgpack

LENGTH = struct.Struct(">I")


class Refused(Exception):
    """Bytes that are not what they should be. `reason` is stable; the message says what is wrong, the limit, and what to do."""

    def __init__(self, reason: str, message: str, field: str = "") -> None:
        """All reach the caller. `field` is what is wrong if it is not the bytes."""
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.field = field


Fields = Sequence[object]
"""What msgpack can carry: what is kept of the bytes."""


def unpack(packed: bytes) -> Fields | Refused:
    """What a worker answered, without the length."""
    well, fields = msgpack.unpackb(packed)
    return list(fields) if well else Refused(*fields)


def serve(decode: Callable[[bytes], Fields], *, cpu_seconds: float, most_bytes: int) -> None:
    """Until stdin ends. `decode` raises Refused. What computes longer than `cpu_seconds` ends the process, and so may what wants
    more than `most_bytes` of address space."""
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Nothing that a library may print gets among the answers.
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while head := asked.read(LENGTH.size):
        data = asked.read(*LENGTH.unpack(head))
        # Of our own time, so that a busy machine makes nobody's file a bad one. The signal ends us, whatever C code runs.
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        packed = _answer(decode, data)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(LENGTH.pack(len(packed)) + packed)
        answers.flush()


def _answer(decode: Callable[[bytes], Fields], data: bytes) -> bytes:
    try:
        packed: bytes = msgpack.packb((True, decode(data)))
    except Refused as refused:
        packed = msgpack.packb((False, (refused.reason, refused.message, refused.field)))
    return packed

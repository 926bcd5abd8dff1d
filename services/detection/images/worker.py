"""`python -m services.detection.images.worker PIXELS CPU_SECONDS BYTES`: decodes pictures, apart from everything.

A decoder is a large piece of C that eats what strangers send. Here it may crash, hang or ask for all memory, and costs a process
and one refusal. Asked and answered over stdin and stdout: a length (4 bytes, big endian), then that many bytes; a picture in,
msgpack out. Ends with its stdin.
"""

from __future__ import annotations

import os
import resource
import signal
import struct
import sys
from dataclasses import astuple

import msgpack

from services.detection.images.decode import Decoded, Refused, decode
from services.detection.images.pdq import Pdq

LENGTH = struct.Struct(">I")
_WORDS = 2
"""In a refusal: reason and message."""


def pack(answer: Decoded | Refused) -> bytes:
    """As it goes over the pipe, its length first."""
    fields = (answer.reason, answer.message) if isinstance(answer, Refused) else astuple(answer)
    packed: bytes = msgpack.packb(fields)
    return LENGTH.pack(len(packed)) + packed


def unpack(packed: bytes) -> Decoded | Refused:
    """What `pack` packed, without the length."""
    fields = msgpack.unpackb(packed)
    if len(fields) == _WORDS:
        return Refused(*fields)
    return Decoded(Pdq(*fields[0]), *fields[1:])


def main() -> None:
    """Until stdin ends."""
    most_pixels, cpu_seconds, most_bytes = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Nothing that a library may print gets among the answers.
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while head := asked.read(LENGTH.size):
        data = asked.read(*LENGTH.unpack(head))
        # Of our own time, so that a busy machine makes nobody's picture a bad one. The signal ends us, whatever C code runs.
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        try:
            answer: Decoded | Refused = decode(data, most_pixels=most_pixels)
        except Refused as refused:
            answer = refused
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(pack(answer))
        answers.flush()


if __name__ == "__main__":
    main()

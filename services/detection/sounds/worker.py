"""`python -m services.detection.sounds.worker SECONDS WEIGHTS CPU_SECONDS BYTES`: decodes clips, apart from everything."""

from __future__ import annotations

import sys
from dataclasses import astuple
from pathlib import Path

import msgpack

from services.detection.sounds.decode import decode
from services.detection.worker import Fields, serve
from services.runtime.sound.activity import Weights


def main() -> None:
    """Until stdin ends. What comes is msgpack: the media type, and the clip."""
    most_seconds, weights = float(sys.argv[1]), Weights.load(Path(sys.argv[2]))
    cpu_seconds, most_bytes = float(sys.argv[3]), int(sys.argv[4])

    def decoded(packed: bytes) -> Fields:
        media_type, data = msgpack.unpackb(packed)
        return astuple(decode(data, media_type, most_seconds=most_seconds, weights=weights))

    serve(decoded, cpu_seconds=cpu_seconds, most_bytes=most_bytes)


if __name__ == "__main__":
    main()

"""`python -m services.detection.images.worker PIXELS CPU_SECONDS BYTES [words]`: decodes pictures, apart from everything."""

from __future__ import annotations

import sys
from dataclasses import astuple

from services.detection.images.decode import WORDS, decode
from services.detection.worker import Fields, serve


def main() -> None:
    """Until stdin ends."""
    most_pixels, cpu_seconds, most_bytes = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    words = sys.argv[4:] == [WORDS]

    def decoded(data: bytes) -> Fields:
        return astuple(decode(data, most_pixels=most_pixels, words=words))

    serve(decoded, cpu_seconds=cpu_seconds, most_bytes=most_bytes)


if __name__ == "__main__":
    main()

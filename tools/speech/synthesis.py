"""`python -m tools.speech.synthesis TEXT`: eSpeak NG says it, and its samples go to stdout: its rate (4 bytes), then 16-bit PCM.

A process each time: what it said before would be heard in what it says next.
"""

from __future__ import annotations

import ctypes
import struct
import sys

import espeakng_loader

_RETRIEVAL, _CHARACTERS, _UTF8, _SPEED = 1, 1, 1, 1
_WORDS_A_MINUTE = 150
_HEARD = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def main() -> None:
    """Says its argument."""
    chunks: list[bytes] = []

    def heard(samples: ctypes._Pointer[ctypes.c_short], count: int, _: int | None) -> int:
        if count > 0:
            chunks.append(ctypes.string_at(samples, count * 2))
        return 0

    library, callback, text = ctypes.CDLL(espeakng_loader.get_library_path()), _HEARD(heard), sys.argv[1].encode()
    rate = library.espeak_Initialize(_RETRIEVAL, 0, str(espeakng_loader.get_data_path()).encode(), 0)
    assert library.espeak_SetVoiceByName(b"en-us") == 0
    library.espeak_SetParameter(_SPEED, _WORDS_A_MINUTE, 0)
    library.espeak_SetSynthCallback(callback)
    library.espeak_Synth(text, len(text) + 1, 0, _CHARACTERS, 0, _UTF8, None, None)
    library.espeak_Synchronize()
    sys.stdout.buffer.write(struct.pack("<I", rate) + b"".join(chunks))


if __name__ == "__main__":
    main()

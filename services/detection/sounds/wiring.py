"""The concrete objects behind clips."""

from __future__ import annotations

from services.detection.exact_cache import CachingScorer
from services.detection.settings import DetectionSettings
from services.detection.sounds.decoder import ClipDecoder
from services.detection.sounds.listener import Listener
from services.detection.sounds.scorer import SoundScorer


class Sounds:
    """What hears clips, and has processes and connections of its own."""

    def __init__(self, triton: str, lines: CachingScorer, settings: DetectionSettings) -> None:
        """`triton` is `host:port` of its gRPC; `lines` scores what is said."""
        self._decoder = ClipDecoder(
            workers=settings.sound_workers,
            queue=settings.sound_queue,
            cpu_seconds=settings.sound_cpu_seconds,
            most_seconds=settings.sound_seconds,
            most_bytes=settings.sound_memory,
            weights=settings.voice_activity,
        )
        self._listener = Listener(triton, slots=settings.speech_slots, queue_seconds=settings.speech_queue_seconds)
        self.scorer = SoundScorer(self._decoder, self._listener, lines)

    async def start(self) -> None:
        """Starts the workers."""
        await self._decoder.start()

    async def close(self) -> None:
        """Ends them, and the connection."""
        await self._decoder.close()
        await self._listener.close()

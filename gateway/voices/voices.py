"""What all voices share: the room for them, the network, and the threads that it runs in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from gateway.voices.room import VoiceRoom
from gateway.voices.voice import Listening, Voice
from services.runtime.sound.activity import Weights

if TYPE_CHECKING:
    from gateway.intake import Intake
    from gateway.items import Arrival
    from gateway.settings import GatewaySettings
    from services.runtime.principal import Principal


class Voices:
    """Makes voices. Belongs to one event loop."""

    def __init__(self, intake: Intake, settings: GatewaySettings) -> None:
        """Reads the network's weights. Raises OSError or ValueError."""
        self.room = VoiceRoom(settings.voices_limit)
        self._threads = ThreadPoolExecutor(settings.voice_threads, thread_name_prefix="voices")
        weights = Weights.load(settings.voice_activity)
        self._listening = Listening(intake, weights, self._threads, settings.voice_timeout_seconds)
        self._unanswered_limit = settings.voice_unanswered_limit

    def voice(self, principal: Principal, arrival: Arrival) -> Voice:
        """A voice that begins to be spoken."""
        return Voice(self._listening, principal, arrival, unanswered_limit=self._unanswered_limit)

    def close(self) -> None:
        """When none is open any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

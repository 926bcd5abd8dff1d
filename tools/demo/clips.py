"""Clips for the demonstration, spoken by a synthesiser where one is installed."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from moat_client import Moat, MoatError

from tools.speech import can_be_made
from tools.speech.clips import conversation, wav

_CLIPS = (
    ("a friendly one", ("Thanks for the game, that was close.",)),
    ("one that turns", ("Thanks for the game, that was close.", "You are a stupid worthless idiot.")),
)


async def speak(moat: Moat, *, tell: Callable[[str], object]) -> list[str]:
    """Posts two clips, of which the second says something cruel in its second sentence. Returns what went wrong."""
    if not can_be_made():
        tell("(clips: `make setup` installs a synthesiser that speaks them)\n")
        return []
    outcomes = []
    for name, sentences in _CLIPS:
        began = time.perf_counter()
        try:
            decision = await moat.moderate_audio(wav(conversation(sentences)), user_id=str(uuid.uuid4()))
        except MoatError as error:
            return [f"clips were not decided: {error.reason}"]
        took = (time.perf_counter() - began) * 1000
        when = next((f" at {one.interval[0]:.1f} s" for one in decision.findings if one.interval), "")
        tell(f"{decision.outcome:5} {decision.category:22} {'speaker':10} [clip: {name}]{when}  {took:.0f} ms\n")
        outcomes.append(decision.outcome)
    return [] if outcomes[0] == "ALLOW" != outcomes[1] else [f"clips came to {', '.join(outcomes)}"]

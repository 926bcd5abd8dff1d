"""`python -m tools.bench.sounds`: clips and voices through a mesh that has one core, everything on it included. Prints real-time
factors: seconds of work for a second of sound. The speech is a synthesiser's, so `make setup` must have installed it."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import uuid
from collections import Counter

import numpy as np
import psutil
import uvloop
from moat_client import Decision, Moat
from numpy.typing import NDArray

from tools.bench.meshes import RunningMesh, mesh
from tools.speech import can_be_made
from tools.speech.clips import RATE, conversation, silence, spoken, wav

_SENTENCES = (
    "Good evening everybody, nice to meet you all.",
    "Thanks for the game, that was close.",
    "What a beautiful picture, where did you take it?",
    "Can somebody revive me? I am next to the tower on the left side of the map.",
    "Reload, reload, they are behind the wall.",
    "I hate you so much.",
    "You are a stupid worthless idiot.",
)
_WORDS = ("Hello.", "Go home.", "Shut up.", "Yes.")
_TIMES = 8
_VOICES = 4
_PATIENCE = 60.0
_FLOOD = 12
_PIECE = 3200


def main() -> int:
    """Returns the exit code."""
    if not can_be_made():
        sys.stderr.write("bench: there is no synthesiser; run `make setup`\n")
        return 1
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    with mesh() as one:
        _say("mesh, idle", f"{one.memory_mb():.0f} MB on core {core}")
        uvloop.run(_measure(one))
        _say("mesh, afterwards", f"{one.memory_mb():.0f} MB")
    return 0


async def _measure(one: RunningMesh) -> None:
    async with one.client() as moat:
        await _heard(moat, conversation(_SENTENCES[:1]))
        idle = await _idle_share(one)
        _say("the mesh by itself", f"{idle:.2f} of the core")
        await _clips(one, moat, "sentences, a second apart", conversation(_SENTENCES))
        await _clips(one, moat, "a long talk without pauses", np.concatenate([spoken(text) for text in _SENTENCES * 2]))
        await _clips(one, moat, "single words", conversation(_WORDS))
        await _clips(one, moat, "one word", conversation(_WORDS[:1], pause=0.3))
        await _clips(one, moat, "no speech", silence(30))
        await _voices(one, moat)
        await _flood(moat)
        await _beside(moat)


async def _clips(one: RunningMesh, moat: Moat, name: str, samples: NDArray[np.int16]) -> None:
    """One after the other."""
    before, began = _cpu_seconds(one), time.perf_counter()
    for _ in range(_TIMES):
        await _heard(moat, samples)
    seconds, busy = time.perf_counter() - began, _cpu_seconds(one) - before
    length = len(samples) / RATE
    _say(f"clip, {name}, {length:.1f} s", f"{_factors(seconds, busy, length * _TIMES)}, {seconds / _TIMES:.2f} s each")


async def _voices(one: RunningMesh, moat: Moat) -> None:
    """As fast as they are taken."""
    samples = conversation(_SENTENCES)
    before, began = _cpu_seconds(one), time.perf_counter()
    answers = await asyncio.gather(*(_voice(moat, samples) for _ in range(_VOICES)))
    seconds, busy = time.perf_counter() - began, _cpu_seconds(one) - before
    length = len(samples) / RATE * _VOICES
    _say(f"{_VOICES} voices, {sum(answers)} utterances, {length:.0f} s", _factors(seconds, busy, length))


async def _flood(moat: Moat) -> None:
    """More speech at once than may wait."""
    samples = np.concatenate([spoken(text) for text in _SENTENCES])
    asked = await asyncio.gather(*(_heard(moat, samples) for _ in range(_FLOOD)))
    missed = Counter("degraded" if decision.degraded else "heard" for decision in asked)
    told = ", ".join(f"{count} {name}" for name, count in sorted(missed.items()))
    _say(f"{_FLOOD} clips at once, {len(samples) / RATE:.0f} s each", told)


async def _beside(moat: Moat) -> None:
    alone = [await _line(moat) for _ in range(40)]
    clips = asyncio.gather(*(_heard(moat, conversation(_SENTENCES)) for _ in range(3)))
    beside = []
    while not clips.done():
        beside.append(await _line(moat))
    await clips
    _say("a line alone, p50", f"{np.median(alone) * 1000:.1f} ms")
    _say("a line beside clips, p50", f"{np.median(beside) * 1000:.1f} ms")


async def _line(moat: Moat) -> float:
    began = time.perf_counter()
    await moat.moderate("good evening, ready for the dungeon?", user_id=str(uuid.uuid4()))
    return time.perf_counter() - began


async def _heard(moat: Moat, samples: NDArray[np.int16]) -> Decision:
    return await moat.moderate_audio(wav(samples), user_id=str(uuid.uuid4()), timeout=_PATIENCE)


async def _voice(moat: Moat, samples: NDArray[np.int16]) -> int:
    sound = samples.tobytes()
    async with moat.voice(user_id=str(uuid.uuid4())) as voice:

        async def send() -> None:
            for at in range(0, len(sound), _PIECE):
                await voice.send(sound[at : at + _PIECE])
            await voice.finish()

        sending = asyncio.create_task(send())
        answers = [one async for one in voice]
        await sending
    return len(answers)


async def _idle_share(one: RunningMesh) -> float:
    before, began = _cpu_seconds(one), time.perf_counter()
    await asyncio.sleep(5)
    return (_cpu_seconds(one) - before) / (time.perf_counter() - began)


def _cpu_seconds(one: RunningMesh) -> float:
    """Of all its processes."""
    total = 0.0
    for pid in [*one.mesh.processes(), one.mesh.supervisor()]:
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def _factors(seconds: float, busy: float, sound: float) -> str:
    return f"real-time factor {seconds / sound:.3f} by the clock, {busy / sound:.3f} of the core"


def _say(what: str, how: str) -> None:
    sys.stdout.write(f"{what:58} {how}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

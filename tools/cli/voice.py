"""`moat voice FILE.wav`: plays a file as a voice that is being spoken, and tells what became of each utterance."""

from __future__ import annotations

import argparse
import asyncio
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from moat_client import MoatError, Utterance, Voice

from services.detection.sounds.wav import read
from services.detection.worker import Refused
from services.runtime.sound import RATE
from services.runtime.sound.resampler import Resampler
from tools.cli.failure import Failure
from tools.cli.moderate import describe
from tools.cli.session import explained, open_client, running_topology

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

_ASKING = ("game_server",)
_PIECE_SECONDS = 0.1
_SAMPLE_BYTES = 2


def register(commands: Commands) -> None:
    """Adds the subcommand."""
    voice = commands.add_parser("voice", help="decide a voice while it is spoken (English)")
    voice.add_argument("file", type=Path, help="WAV, of any length")
    voice.add_argument(
        "--speed", type=float, default=1.0, help="2 is twice as fast as it was spoken, 0 as fast as can be"
    )
    voice.add_argument("--user", default="cli")
    voice.add_argument("--channel", default="")
    voice.add_argument("--tenant", default="demo")
    voice.set_defaults(run=_voice)


def told(one: Utterance) -> str:
    """An utterance in one line."""
    place = f"{one.number:3} {one.interval[0]:7.1f} s to {one.interval[1]:7.1f} s  "
    if isinstance(one.outcome, MoatError):
        return f"{place}{one.outcome.reason}: {one.outcome.message}"
    return f"{place}{describe(one.outcome)}  {one.outcome.decision_id}"


def _voice(arguments: argparse.Namespace) -> int:
    if arguments.speed < 0:
        raise Failure("--speed: must be 0 or more")
    return asyncio.run(_play(_pcm(arguments.file), arguments))


def _pcm(file: Path) -> bytes:
    """16-bit, 16 kHz."""
    try:
        sound = read(file.read_bytes(), "audio/wav", most_seconds=math.inf)
    except OSError as error:
        raise Failure(str(error)) from None
    except Refused as refused:
        raise Failure(f"{file}: {refused.message}") from None
    resampler = Resampler(sound.rate)
    samples = np.concatenate((resampler.push(sound.samples), resampler.end()))
    return np.round(np.clip(samples, -1, 1) * np.float32(32767)).astype("<i2").tobytes()


async def _play(pcm: bytes, arguments: argparse.Namespace) -> int:
    async with open_client(running_topology(), tenant=arguments.tenant, roles=_ASKING) as moat:
        try:
            async with moat.voice(user_id=arguments.user, channel_id=arguments.channel) as voice:
                sending = asyncio.create_task(_send(voice, pcm, arguments.speed))
                async for one in voice:
                    sys.stdout.write(told(one) + "\n")
                    sys.stdout.flush()
                await sending
        except MoatError as error:
            raise explained(error) from None
    return 0


async def _send(voice: Voice, pcm: bytes, speed: float) -> None:
    size = int(RATE * _PIECE_SECONDS) * _SAMPLE_BYTES
    began = time.monotonic()
    for at in range(0, len(pcm), size):
        await voice.send(pcm[at : at + size])
        if speed:
            spoken = (at + size) / _SAMPLE_BYTES / RATE / speed
            await asyncio.sleep(max(0.0, began + spoken - time.monotonic()))
    await voice.finish()

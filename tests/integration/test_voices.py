"""A voice through the whole mesh: edge, gateway, voice activity, detection, Whisper, policy, record."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from moat_client import Decision, Moat, Utterance

from services.runtime.topology import Topology
from tools.launcher.control import Mesh
from tools.launcher.home import ROOT
from tools.speech.clips import RATE, conversation, silence, spoken, wav

KIND, CRUEL = "Thanks for the game, that was close.", "You are a stupid worthless idiot."


@pytest.fixture
async def moat(mesh: Mesh) -> AsyncIterator[Moat]:
    edge = Topology.load(mesh.home.topology).edge
    token = mesh.token(tenant="demo", roles=("game_server", "moderator"))
    async with Moat(f"localhost:{edge.port}", token=token, ca_file=edge.ca_file, timeout=20) as opened:
        yield opened


def decided(one: Utterance) -> Decision:
    assert isinstance(one.outcome, Decision), one.outcome
    return one.outcome


async def test_each_utterance_is_decided_while_the_voice_goes_on(moat: Moat) -> None:
    user = f"user-{uuid.uuid4()}"
    async with moat.voice(user_id=user, channel_id="party", voice_id=user) as voice:
        utterances = aiter(voice)
        answers = []
        for text in (KIND, CRUEL):
            sound = [silence(1), spoken(text), silence(1)]
            for part in sound:
                await voice.send(part.tobytes())
            answers.append(await anext(utterances))
        await voice.finish()
        assert [one async for one in utterances] == []
    kind, cruel = answers
    assert (decided(kind).outcome, decided(kind).request_id, kind.number) == ("ALLOW", f"{user}/0", 0)
    assert decided(cruel).outcome in ("DROP", "HOLD")
    assert cruel.interval[0] == pytest.approx(3 + len(spoken(KIND)) / RATE, abs=0.4)
    assert cruel.interval[1] == pytest.approx(3 + (len(spoken(KIND)) + len(spoken(CRUEL))) / RATE, abs=0.4)
    found = await moat.get_decision(decided(cruel).decision_id, include_content=True)
    assert "worthless" in found.words[0].text.lower()
    assert (found.decision.user_id, found.decision.surface) == (user, "voice")


async def test_several_voices_at_once_are_decided_each_for_itself(moat: Moat) -> None:
    async def outcome(text: str) -> str:
        async with moat.voice(user_id=f"user-{uuid.uuid4()}") as voice:
            await voice.send(conversation([text]).tobytes())
            await voice.finish()
            (one,) = [one async for one in voice]
            return decided(one).outcome

    found = await asyncio.gather(*(outcome(text) for text in (KIND, CRUEL, KIND, CRUEL)))
    assert found[0] == found[2] == "ALLOW"
    assert {found[1], found[3]} <= {"DROP", "HOLD"}


def test_a_file_can_be_played_from_the_shell(mesh: Mesh, tmp_path: Path) -> None:
    (tmp_path / "talk.wav").write_bytes(wav(conversation([KIND, CRUEL])))
    done = subprocess.run(
        [sys.executable, "-m", "tools.cli", "voice", str(tmp_path / "talk.wav"), "--speed", "0"],
        cwd=ROOT,
        env={**os.environ, "MOAT_HOME": str(mesh.home.folder.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    first, second = sorted(done.stdout.splitlines())
    assert first.split()[6] == "ALLOW"
    assert second.split()[6] in ("DROP", "HOLD")

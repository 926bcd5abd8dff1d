"""Whisper on the real Triton, alone: what it hears, and what it does when there is nothing to hear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import numpy as np
import psutil
import pytest
import tritonclient.grpc.aio as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from services.runtime.topology import Topology
from tests.support.mesh import running_mesh
from tools.launcher import triton_health
from tools.launcher.control import Mesh
from tools.speech.clips import RATE, silence, spoken

pytestmark = pytest.mark.xdist_group("triton")


@pytest.fixture(scope="module")
def server() -> Iterator[Mesh]:
    with running_mesh(["triton"]) as running:
        yield running


@pytest.fixture
async def client(server: Mesh) -> AsyncIterator[triton.InferenceServerClient]:
    topology = Topology.load(server.home.topology)
    opened = triton.InferenceServerClient(f"{topology.triton.host}:{topology.triton.grpc}")
    yield opened
    await opened.close()


async def heard(client: triton.InferenceServerClient, samples: NDArray[np.int16]) -> tuple[str, str, float]:
    """Words, state and confidence."""
    asked = triton.InferInput("samples", [len(samples)], "INT16")
    asked.set_data_from_numpy(samples)
    answer = await client.infer("speech_text", [asked])
    words, state = (answer.as_numpy(name)[0].decode() for name in ("words", "state"))
    return words, state, float(answer.as_numpy("confidence")[0])


@pytest.mark.parametrize(
    "text",
    [
        "I am going to kill you tonight.",
        "I hate you so much.",
        "You are a stupid worthless idiot.",
    ],
)
async def test_words_are_heard(client: triton.InferenceServerClient, text: str) -> None:
    words, state, confidence = await heard(client, np.concatenate([silence(0.2), spoken(text), silence(0.2)]))
    assert [word.strip(".,!?") for word in words.lower().split()] == [word.strip(".,") for word in text.lower().split()]
    assert state == "heard"
    assert 0.5 < confidence <= 1


@pytest.mark.parametrize(
    "samples", [silence(3), np.zeros(RATE, np.int16), np.zeros(1, np.int16)], ids=["a room", "nothing", "a probe"]
)
async def test_nothing_is_made_up_in_silence(client: triton.InferenceServerClient, samples: NDArray[np.int16]) -> None:
    words, state, _ = await heard(client, samples)
    assert (words, state) == ("", "silent")


async def test_a_short_word_is_not_repeated_for_ever(client: triton.InferenceServerClient) -> None:
    words, _, _ = await heard(client, spoken("Hello."))
    assert words.lower().strip(".,!? ") in {"hello", ""}


async def test_what_is_longer_than_it_can_hear_is_refused(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="1 to 480000 are heard"):
        await heard(client, np.zeros(30 * RATE + 1, np.int16))
    said = spoken("You are a stupid worthless idiot.")
    words, _, _ = await heard(client, np.concatenate([said, silence(30)])[: 30 * RATE])
    assert words == "You are a stupid worthless idiot."


async def test_a_model_that_is_busy_is_not_loaded_again(
    server: Mesh, client: triton.InferenceServerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triton_health, "_INFERENCE_SECONDS", 0.05)
    health = triton_health.TritonHealth(Topology.load(server.home.topology).triton)
    talk = np.concatenate([spoken("You are a stupid worthless idiot."), spoken("I am going to kill you tonight.")])
    talking = [asyncio.create_task(heard(client, talk)) for _ in range(8)]
    while not all(one.done() for one in talking):
        assert await health.probe()
        await asyncio.sleep(0.05)
    assert {state for _, state, _ in await asyncio.gather(*talking)} <= {"heard", "unclear"}


async def test_a_model_that_hangs_is(
    server: Mesh, client: triton.InferenceServerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triton_health, "_INFERENCE_SECONDS", 0.2)
    monkeypatch.setattr(triton_health, "_STUCK_SECONDS", 1.0)
    health = triton_health.TritonHealth(Topology.load(server.home.topology).triton)
    assert await health.probe()
    status = server.status()
    assert status is not None
    children = psutil.Process(status.programs["triton"].pid).children()
    (stub,) = [one for one in children if any("speech_text" in word for word in one.cmdline())]
    stub.suspend()
    try:
        with pytest.raises(ConnectionError, match="speech_text"):
            await refused(health)
    finally:
        stub.resume()
    await heard_again(client)


async def heard_again(client: triton.InferenceServerClient) -> None:
    """A process that was stopped altogether may take its server with it; then the launcher starts both anew."""
    async with asyncio.timeout(90):
        while True:
            with suppress(InferenceServerException):
                await heard(client, spoken("Hello."))
                return
            await asyncio.sleep(0.5)


async def refused(health: triton_health.TritonHealth) -> None:
    """Asks until it says no."""
    async with asyncio.timeout(60):
        while True:
            health._well_until.clear()
            assert await health.probe()
            await asyncio.sleep(0.05)

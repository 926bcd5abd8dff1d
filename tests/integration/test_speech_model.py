"""Whisper on the real Triton, alone: what it hears, and what it does when there is nothing to hear."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
import tritonclient.grpc.aio as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from services.runtime.topology import Topology
from tests.support.mesh import running_mesh
from tests.support.speech import RATE, silence, spoken
from tools.launcher.control import Mesh

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

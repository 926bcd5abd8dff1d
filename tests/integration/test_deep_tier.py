"""A text scores the same alone and in company, by the real model on the real server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from services.detection.deep_models import TritonModel
from services.detection.deep_tier import Answer, DeepTier, Question
from services.detection.settings import DetectionSettings
from services.detection.windows import LENGTHS, Windows
from services.runtime.topology import Topology
from tools.launcher.control import Mesh

LIST = 32
LONG = (
    "and on it goes about nothing in particular, one raid after another, until nobody listens any more to what he said"
)
NEIGHBOURS = [f"{number} i will find all {number} of you, you worthless clowns, {LONG}" for number in range(LIST - 1)]
LINES = [
    "good evening",
    "i will find you and kill you for real",
    "du bist so ein dummer hund",
    "you might be the worst tank i have seen, no offence, but please go back to the forest where they found you and stay",
]


def open_tier(mesh: Mesh, lengths: Sequence[int] = LENGTHS) -> DeepTier:
    server = Topology.load(mesh.home.topology).triton
    release = DetectionSettings().live_release()
    model = TritonModel(f"{server.host}:{server.grpc}", release.deep_version)
    return DeepTier(model, Windows(release.tokenizer, lengths), slots=1, batch=LIST, queue=LIST * 4)


@pytest.fixture
async def deep(mesh: Mesh) -> AsyncIterator[DeepTier]:
    tier = open_tier(mesh)
    yield tier
    await tier.close()


@pytest.fixture
async def one_length(mesh: Mesh) -> AsyncIterator[DeepTier]:
    """Pads every line to the longest, so that short and long ones share a list: what detection itself spares them."""
    tier = open_tier(mesh, LENGTHS[-1:])
    yield tier
    await tier.close()


def differs(one: Answer, other: Answer) -> float:
    return float(np.abs(one.probabilities - other.probabilities).max())


@pytest.mark.parametrize("line", LINES)
async def test_a_line_scores_the_same_alone_and_among_31_long_ones(one_length: DeepTier, line: str) -> None:
    alone = await one_length.ask(Question(line), deadline=time.monotonic() + 5)
    neighbours = [one_length.ask(Question(text), deadline=None) for text in NEIGHBOURS]
    among = await one_length.ask(Question(line), deadline=None)
    assert (alone.batch_size, among.batch_size) == (1, LIST)
    assert differs(alone, among) < 1e-3
    others = await asyncio.gather(*neighbours)
    assert max(differs(among, other) for other in others) > 0.01, "it is not the same for every text"


@pytest.mark.parametrize("line", LINES)
async def test_a_line_scores_the_same_however_far_it_is_padded(deep: DeepTier, one_length: DeepTier, line: str) -> None:
    usual = await deep.ask(Question(line), deadline=None)
    assert differs(usual, await one_length.ask(Question(line), deadline=None)) < 1e-3


async def test_a_list_is_answered_line_by_line(deep: DeepTier) -> None:
    alone = [await deep.ask(Question(text), deadline=None) for text in NEIGHBOURS[:4]]
    together = await asyncio.gather(*(deep.ask(Question(text), deadline=None) for text in NEIGHBOURS[:4]))
    assert {answer.batch_size for answer in together} == {4}
    assert max(differs(one, other) for one, other in zip(alone, together, strict=True)) < 1e-3

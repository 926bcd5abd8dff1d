"""The deep model as it is committed: a text scores the same whoever its neighbours are."""

from __future__ import annotations

import numpy as np
import pytest

from services.detection.categories import CATEGORIES
from services.detection.deep_models import InProcessModel
from services.detection.settings import DetectionSettings
from services.detection.windows import LENGTHS, Windows, padded

RELEASE = DetectionSettings().live_release()
_SIZE = 30e6


@pytest.fixture(scope="module")
def model() -> InProcessModel:
    return InProcessModel(RELEASE.model)


@pytest.fixture(scope="module")
def windows() -> Windows:
    return Windows(RELEASE.tokenizer)


@pytest.mark.parametrize("text", ["kill the boss first", "you are a worthless idiot", "आप कैसे हैं", "gg 🐒"])
async def test_a_text_scores_the_same_alone_and_among_long_neighbours(
    model: InProcessModel, windows: Windows, text: str
) -> None:
    ((one,),) = windows.of([text])
    neighbours = windows.of([f"{number} you filthy rats 🔫 " + "and so on and on " * 40 for number in range(31)])
    alone = await model.run(padded([one], windows.length(one)), "")
    among = await model.run(padded([one, *(found[0] for found in neighbours)], LENGTHS[-1]), "")
    assert alone.shape == (1, len(CATEGORIES))
    assert np.abs(alone[0] - among[0]).max() < 1e-3


def test_the_weights_stay_small() -> None:
    assert RELEASE.model.stat().st_size < _SIZE

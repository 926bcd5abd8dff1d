"""The cascade: what the cheap tiers settle does not wait for the deep one, and nobody waits without being told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from services.detection.cascade import Cascade, Deep
from services.detection.categories import CATEGORIES
from services.detection.deep_tier import Answer, DeepTier, Question
from services.detection.fast_tier import FastTier
from services.detection.language import Languages
from services.detection.scorer import Line, Scorer
from services.detection.settings import DetectionSettings
from services.detection.terms import Terms
from services.runtime.reloading import Fixed


class SlowDeepTier:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[Answer]] = []

    def ask(self, question: Question, *, deadline: float | None = None) -> asyncio.Future[Answer]:
        self.asked.append(asyncio.get_running_loop().create_future())
        return self.asked[-1]


def scorer(deep: SlowDeepTier, when: Deep, lists: Path | None = None) -> Scorer:
    settings = DetectionSettings()
    release = settings.live_release()
    terms, fast = Fixed(Terms.load(lists or settings.lists)), FastTier.load(release.fast_text)
    cascade = Cascade.load(release.fast_text)
    return Scorer(terms, fast, cast("DeepTier", deep), cascade, Languages(), release=release, when=when)


@pytest.mark.parametrize("when", [Deep.ALWAYS, Deep.NEVER])
async def test_the_cheap_tiers_speak_at_once(when: Deep) -> None:
    deep = SlowDeepTier()
    parts = scorer(deep, when).score([Line("good game everyone"), Line("see you tomorrow")])
    first = await asyncio.wait_for(anext(parts), 5)
    assert [one.index for one in first] == ([] if when is Deep.ALWAYS else [0, 1])
    answer = Answer(np.full(len(CATEGORIES), 0.5, np.float32), 0.0, 0.01, 2, b"", b"")
    for future in deep.asked:
        future.set_result(answer)
    rest = [one.index async for part in parts for one in part]
    assert sorted(rest) == ([0, 1] if when is Deep.ALWAYS else [])


async def test_a_tenants_own_list_holds_for_its_lines_alone(tmp_path: Path) -> None:
    (tmp_path / "arena.yaml").write_text(
        "id: arena\nversion: '1'\ntenant: arena\nentries: [{id: rival, category: harassment.insult, terms: [rivalsuck]}]"
    )
    lines = [Line("a rivalsuck", tenant="arena"), Line("a rivalsuck", tenant="harbor")]
    parts = scorer(SlowDeepTier(), Deep.NEVER, tmp_path).score(lines)
    found = [[span.term_id for span in one.signals.spans if span.term_id] async for part in parts for one in part]
    assert found == [["rival"], []]

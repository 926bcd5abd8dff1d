"""What becomes of a picture's words when the models do not do what they should."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest
from moat.detection.v1 import signals_pb2
from tritonclient.grpc import service_pb2

from services.detection.exact_cache import CachingScorer, ExactCache
from services.detection.images.decode import Decoded, decode
from services.detection.images.words.kept import KeptWords
from services.detection.images.words.models import TextModels
from services.detection.images.words.tier import Read, WordsTier
from services.detection.scorer import Line, Scored
from tests.support.pictures import drawing, encoded
from tests.support.triton import Answer, Tensors, triton_that

OWNER = ("demo", "production")
PICTURE = decode(encoded(drawing(1)), most_pixels=10**7, words=True)
LINE = Line("", tenant="demo", environment="production")


async def everywhere(_: service_pb2.ModelInferRequest) -> Tensors:
    return {"words": np.ones((60, 80), dtype=np.float32)}


async def nowhere(_: service_pb2.ModelInferRequest) -> Tensors:
    return {"words": np.zeros((60, 80), dtype=np.float32)}


async def never(_: service_pb2.ModelInferRequest) -> Tensors:
    await asyncio.Event().wait()
    return {}


def reads(*lines: str, left: int = 0) -> Answer:
    async def answer(_: service_pb2.ModelInferRequest) -> Tensors:
        boxes = [(10, 40 * number, 200, 40 * number + 30) for number in range(len(lines))]
        return {
            "lines": np.array([line.encode() for line in lines], dtype=np.object_),
            "boxes": np.array(boxes, dtype=np.float32).reshape(-1, 4),
            "confidences": np.full(len(lines), 0.9, dtype=np.float32),
            "left": np.array([left], dtype=np.int32),
        }

    return answer


class Cascade:
    """Says of each line that it is an insult."""

    def version(self, line: Line) -> str:
        return "1"

    async def score(self, lines: Sequence[Line]) -> AsyncIterator[list[Scored]]:
        score = signals_pb2.Score(category="insult", probability=0.9)
        yield [Scored(index, signals_pb2.Signals(scores=[score]), []) for index in range(len(lines))]


@asynccontextmanager
async def tier(finder: Answer | None, reader: Answer | None, *, queue: int = 8) -> AsyncIterator[WordsTier]:
    served = {"image_text_find": finder, "image_text": reader}
    async with triton_that({name: answer for name, answer in served.items() if answer is not None}) as address:
        models = TextModels(address, finder_queue=8, reader_queue=queue, seconds=1.0)
        scorer = CachingScorer(Cascade(), ExactCache(entries=8, tenant_entries=8, seconds=60))
        try:
            yield WordsTier(models, scorer, KeptWords(code_points=1000, owners=8, seconds=60))
        finally:
            await models.close()


async def told(words: WordsTier, read: Read) -> tuple[signals_pb2.Signals, signals_pb2.FoundWords | None]:
    signals = signals_pb2.Signals()
    found = await words.tell(signals, read, LINE)
    return signals, found


async def test_words_take_the_text_path_and_know_their_places() -> None:
    async with tier(everywhere, reads("you clown", "go away")) as words:
        read = await words.read(OWNER, b"a", PICTURE, LINE)
        signals, found = await told(words, read)
    assert found is not None
    assert found.text == "you clown\ngo away"
    assert [score.category for score in signals.carried.signals.scores] == ["insult"]
    assert signals.carried.length == len(found.text)
    assert signals.carried.places[1].box.top == pytest.approx(40 / 480)
    assert [(tier.name, tier.reason) for tier in signals.tiers] == [("image_text", "always")]
    assert not signals.degraded


async def test_a_picture_without_letters_is_not_read() -> None:
    async with tier(nowhere, None) as words:
        signals, found = await told(words, await words.read(OWNER, b"a", PICTURE, LINE))
    assert (found, signals.tiers[0].reason, list(signals.degraded)) == (None, "no_text", [])


async def test_what_was_read_is_kept_for_the_same_bytes() -> None:
    async with tier(everywhere, reads("you clown")) as words:
        assert words.kept(OWNER, b"a") is None
        await words.read(OWNER, b"a", PICTURE, LINE)
        again = words.kept(OWNER, b"a")
        assert again is not None
        signals, found = await told(words, again)
    assert found is not None
    assert (found.text, signals.tiers[0].reason) == ("you clown", "decided")
    assert signals.carried.signals.scores


@pytest.mark.parametrize(
    ("finder", "reader"),
    [(None, reads("x")), (everywhere, None)],
    ids=["no finder", "no reader"],
)
async def test_without_a_model_the_part_is_missing(finder: Answer | None, reader: Answer | None) -> None:
    async with tier(finder, reader) as words:
        read = await words.read(OWNER, b"a", PICTURE, LINE)
        signals, found = await told(words, read)
        assert words.kept(OWNER, b"a") is None
    assert (found, signals.tiers[0].reason, list(signals.degraded)) == (None, "unavailable", ["image_text"])


async def shapeless(_: service_pb2.ModelInferRequest) -> Tensors:
    return {"words": np.ones(3, dtype=np.float32)}


async def uneven(request: service_pb2.ModelInferRequest) -> Tensors:
    return {**await reads("a", "b")(request), "boxes": np.zeros((1, 4), dtype=np.float32)}


async def no_letters(request: service_pb2.ModelInferRequest) -> Tensors:
    return {**await reads("a")(request), "lines": np.array([b"\xff\xfe"], dtype=np.object_)}


@pytest.mark.parametrize(
    ("finder", "reader"),
    [(shapeless, reads("x")), (everywhere, shapeless), (everywhere, uneven), (everywhere, no_letters)],
    ids=["finder shapeless", "reader shapeless", "uneven", "not UTF-8"],
)
async def test_an_answer_of_the_wrong_shape_is_none(finder: Answer, reader: Answer) -> None:
    async with tier(finder, reader) as words:
        assert (await words.read(OWNER, b"a", PICTURE, LINE)).how == "unavailable"


async def test_reading_gives_up_before_the_pictures_deadline() -> None:
    async with tier(everywhere, never) as words:
        late = Line("", tenant="demo", deadline=time.monotonic() + 0.6)
        read = await words.read(OWNER, b"a", PICTURE, late)
        signals, _ = await told(words, read)
    assert (signals.tiers[0].reason, list(signals.degraded)) == ("out_of_time", ["image_text"])


async def test_lines_that_were_not_read_are_missing_and_the_others_are_told() -> None:
    async with tier(everywhere, reads("you clown", left=3)) as words:
        read = await words.read(OWNER, b"a", PICTURE, LINE)
        signals, found = await told(words, read)
        assert words.kept(OWNER, b"a") is None
    assert found is not None
    assert (found.text, signals.tiers[0].reason, list(signals.degraded)) == ("you clown", "truncated", ["image_text"])


async def test_when_many_come_at_once_words_are_not_read_and_that_is_said() -> None:
    going = asyncio.Event()

    async def slow(request: service_pb2.ModelInferRequest) -> Tensors:
        await going.wait()
        return await reads("you clown")(request)

    async with tier(everywhere, slow, queue=1) as words:
        asked = [asyncio.create_task(words.read(OWNER, bytes([n]), PICTURE, LINE)) for n in range(6)]
        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result().how for task in done} == {"shed"}
        going.set()
        hows = [read.how for read in await asyncio.gather(*asked)]
    assert hows.count("always") >= 2
    assert set(hows) == {"always", "shed"}


async def test_a_picture_that_was_not_decoded_for_words_has_none() -> None:
    bare = decode(encoded(drawing(1)), most_pixels=10**7)
    async with tier(None, None) as words:
        assert (await words.read(OWNER, b"a", bare, LINE)).how == "no_text"


def test_what_words_are_read_in_is_larger_than_what_is_hashed() -> None:
    large: Decoded = decode(encoded(drawing(1, 1600, 1200)), most_pixels=10**7, words=True)
    assert large.read is not None
    assert large.searched is not None
    assert (large.read.width, large.read.height) == (960, 720)
    assert (large.searched.width, large.searched.height) == (640, 480)
    assert len(large.read.pixels) == 960 * 720 * 3
    assert PICTURE.searched is None

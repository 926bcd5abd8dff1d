"""`moat score`: JSON lines in, the cascade's final scores out, in this process and without a mesh."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING

from tools.cli.failure import Failure

if TYPE_CHECKING:
    from services.detection.scorer import Scored, Scorer

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

_TOGETHER = 512
"""Lines scored at a time: enough for full batches, few enough to see results come."""


def register(commands: Commands) -> None:
    """Adds the subcommand."""
    score = commands.add_parser(
        "score", help="score lines of {id, text} from stdin: {id, lang, scores}, no mesh needed"
    )
    score.add_argument(
        "--release", default="", help="of the text models (default: what config/releases.yaml says is live)"
    )
    score.set_defaults(run=_score)


def _score(arguments: argparse.Namespace) -> int:
    asyncio.run(_score_all(sys.stdin, sys.stdout, arguments.release))
    return 0


async def _score_all(lines: Iterable[str], out: IO[str], release: str = "") -> None:
    # Here, so that the other commands start without the models' packages.
    from services.detection.releases.loading import BadRelease  # noqa: PLC0415
    from services.detection.settings import DetectionSettings  # noqa: PLC0415
    from services.detection.wiring import scorer_in_process  # noqa: PLC0415

    try:
        scorer = scorer_in_process(DetectionSettings(), threads=os.cpu_count() or 1, release_name=release)
    except BadRelease as error:
        raise Failure(str(error)) from None
    rows = _read(lines)
    while chunk := list(itertools.islice(rows, _TOGETHER)):
        scored = await score_texts(scorer, [text for _, text in chunk])
        for (row_id, _), one in zip(chunk, scored, strict=True):
            scores = {score.category: round(score.probability, 6) for score in one.signals.scores}
            out.write(json.dumps({"id": row_id, "lang": one.signals.language, "scores": scores}) + "\n")
        out.flush()


async def score_texts(scorer: Scorer, texts: list[str]) -> list[Scored]:
    """What the cascade says of each, in their order."""
    from services.detection.scorer import Line  # noqa: PLC0415 - see above

    found = [one async for part in scorer.score([Line(text) for text in texts]) for one in part]
    return sorted(found, key=lambda one: one.index)


def _read(lines: Iterable[str]) -> Iterator[tuple[object, str]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
            row_id, text = document["id"], document["text"]
        except (ValueError, KeyError, TypeError):
            raise Failure(f"line {number} is not a JSON object with id and text") from None
        if not isinstance(text, str):
            raise Failure(f"line {number}: text must be a string")
        yield row_id, text

"""`moat sample`: recorded texts drawn at random, as the lines of a file of labels that reviewers fill in."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from typing import TYPE_CHECKING, Any

from moat.audit.v1 import audit_service_pb2
from moat_client import Moat, MoatError

from tools.cli.calibration.recorded import Text, place_filter, recorded
from tools.cli.calibration.times import moment
from tools.cli.failure import Failure
from tools.cli.session import explained, open_client, running_topology

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

_TIMEOUT_SECONDS = 30.0
_MOST = 20_000


def register(commands: Commands) -> None:
    """Adds the subcommand."""
    one = commands.add_parser("sample", help="draw recorded texts at random, to be labelled for `moat calibrate`")
    one.add_argument("--tenant", required=True)
    one.add_argument("--environment", default="production")
    one.add_argument("--surface", default="", help="this one alone")
    one.add_argument("--count", type=int, default=400)
    one.add_argument("--from", dest="begin", type=moment, metavar="TIME", help="2026-11-01, say")
    one.add_argument("--to", dest="end", type=moment, metavar="TIME", help="before it; now if absent")
    one.add_argument("--most", type=int, default=_MOST, help="texts to draw from, the latest of that time")
    one.add_argument("--seed", type=int, help="draw the same again")
    one.add_argument("--content", action="store_true", help="unseal each text, for the reviewer")
    one.set_defaults(run=_sample)


def _sample(arguments: argparse.Namespace) -> int:
    if arguments.count < 1 or arguments.most < 1:
        raise Failure("--count and --most must be at least 1")
    try:
        rows = asyncio.run(_rows(arguments))
    except MoatError as error:
        raise explained(error) from None
    if not rows:
        raise Failure("no text was decided there in that time")
    sys.stdout.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return 0


async def _rows(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    async with open_client(
        running_topology(),
        tenant=arguments.tenant,
        environment=arguments.environment,
        roles=("auditor",) if arguments.content else ("sre",),
        timeout=_TIMEOUT_SECONDS,
    ) as moat:
        filter_ = place_filter(arguments.surface, arguments.begin, arguments.end)
        texts = [text async for text in recorded(moat, filter_, arguments.most)]
        chance = random.Random(arguments.seed)  # noqa: S311 - a sample, no secret
        drawn = chance.sample(texts, min(arguments.count, len(texts)))
        return [await _row(moat, text, unsealed=arguments.content) for text in drawn]


async def _row(moat: Moat, text: Text, *, unsealed: bool) -> dict[str, Any]:
    """With no labels yet: `moat calibrate` refuses a line that nobody filled in."""
    row: dict[str, Any] = {"decision_id": text.decision_id}
    if text.part is not None:
        row["part"] = text.part
    if unsealed:
        row["content"] = content_of(await moat.get_decision(text.decision_id, include_content=True), text.part)
    return {**row, "label": {}}


def content_of(found: audit_service_pb2.GetDecisionResponse, part: int | None) -> str:
    """Empty for what was not stored, or erased."""
    if part is None:
        return found.content.text.text
    parts = found.content.parts.parts
    return parts[part].text.text if part < len(parts) else ""

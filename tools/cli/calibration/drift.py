"""`moat drift`: recorded scores of one time against those of another, or against a calibration's reference."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from moat_client import Moat, MoatError

from services.routing.calibration.document import Calibration
from services.routing.calibration.folder import FOLDER, BadCalibration, read_all
from services.routing.calibration.histogram import ACT, STEPS, WATCH, ks, psi, step_of
from services.routing.document import CATEGORIES
from services.routing.settings import RoutingSettings
from tools.cli.calibration.recorded import Text, place_filter, recorded
from tools.cli.calibration.times import moment, span
from tools.cli.failure import Failure
from tools.cli.session import explained, open_client, running_topology
from tools.launcher.home import Home

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

FEWEST = 200
"""Texts on each side, below which chance alone looks like drift: no figures."""
_TIMEOUT_SECONDS = 30.0
_ALL = "all"
Group = tuple[str, str]
"""A surface, and a language or `all`."""


@dataclass(slots=True)
class Counts:
    """What was seen of a group."""

    texts: int = 0
    acted_on: int = 0
    steps: dict[str, list[int]] = field(
        default_factory=lambda: {category: [0] * STEPS for category in sorted(CATEGORIES)}
    )
    crossed: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """By calibrated limit."""


def register(commands: Commands) -> None:
    """Adds the subcommand."""
    one = commands.add_parser("drift", help="whether a tenant's scores are still what they were")
    one.add_argument("--tenant", required=True)
    one.add_argument("--environment", default="production")
    one.add_argument("--surface", default="", help="this one alone")
    one.add_argument("--from", dest="begin", type=moment, metavar="TIME", help="2026-11-01 or 2026-11-01T06:00:00Z")
    one.add_argument("--to", dest="end", type=moment, metavar="TIME", help="before it; now if absent")
    one.add_argument("--against", type=span, metavar="TIME..TIME",
                     help="another time (default: the reference of the surface's calibration)")  # fmt: skip
    one.add_argument("--most", type=int, default=5000, help="texts to read of each time, the latest")
    one.set_defaults(run=_drift)


def _drift(arguments: argparse.Namespace) -> int:
    """2 where something has moved so far that somebody must act: for a job that watches."""
    calibrations = {} if arguments.against else _calibrations(arguments)
    try:
        now, before = asyncio.run(_read(arguments, calibrations))
    except MoatError as error:
        raise explained(error) from None
    lines = [line for group in sorted(now) for line in compare(group, now[group], before, calibrations)]
    if not lines:
        raise Failure("nothing was decided in that time")
    sys.stdout.write("".join(f"{line}\n" for line, _ in lines))
    return 2 if any(moved for _, moved in lines) else 0


async def _read(
    arguments: argparse.Namespace, calibrations: Mapping[str, Calibration]
) -> tuple[dict[Group, Counts], dict[Group, Counts]]:
    async with open_client(
        running_topology(),
        tenant=arguments.tenant,
        environment=arguments.environment,
        roles=("sre",),
        timeout=_TIMEOUT_SECONDS,
    ) as moat:
        now = await counts(_texts(moat, arguments, arguments.begin, arguments.end), calibrations)
        before = await counts(_texts(moat, arguments, *arguments.against), {}) if arguments.against else {}
    return now, before


def _texts(moat: Moat, arguments: argparse.Namespace, begin: str | None, end: str | None) -> AsyncIterator[Text]:
    return recorded(moat, place_filter(arguments.surface, begin, end), arguments.most)


async def counts(texts: AsyncIterator[Text], calibrations: Mapping[str, Calibration]) -> dict[Group, Counts]:
    """By surface, in all languages together and in each."""
    found: dict[Group, Counts] = defaultdict(Counts)
    async for text in texts:
        for group in ((text.surface, _ALL), (text.surface, text.language)):
            _count(found[group], text, calibrations.get(text.surface))
    return found


def _count(seen: Counts, text: Text, calibration: Calibration | None) -> None:
    seen.texts += 1
    seen.acted_on += text.acted_on
    for category, steps in seen.steps.items():
        steps[step_of(text.scores.get(category, 0.0))] += 1
    for limit, one in calibration.limits.items() if calibration else ():
        seen.crossed[limit] += text.scores.get(one.category, 0.0) >= one.value


def compare(
    group: Group, now: Counts, before: Mapping[Group, Counts], calibrations: Mapping[str, Calibration]
) -> Iterator[tuple[str, bool]]:
    """Lines, and whether each says that somebody must act."""
    surface, language = group
    calibration = calibrations.get(surface)
    if calibration is not None and language == _ALL:
        reference = calibration.reference
        number, steps = reference.count, reference.steps
        against = f"the reference of {calibration.name}: {number} texts of {reference.source}"
    elif group in before:
        number, steps = before[group].texts, before[group].steps
        against = f"{number} texts, {before[group].acted_on / max(1, number):.1%} acted on"
    else:
        return
    yield f"{surface}, {language}: {now.texts} texts, {now.acted_on / now.texts:.1%} acted on; against {against}", False
    if min(now.texts, number) < FEWEST:
        yield f"  too few to tell: it takes {FEWEST} of each", False
        return
    for category, expected in steps.items():
        yield _of_category(category, expected, now.steps[category])
    if calibration is not None:
        for limit, share in calibration.reference.crossed.items():
            yield f"  limit {limit:18} reached by {now.crossed[limit] / now.texts:.2%}, expected {share:.2%}", False


def _of_category(category: str, expected: Sequence[int], seen: Sequence[int]) -> tuple[str, bool]:
    distance = psi(expected, seen)
    verdict = "calibrate again" if distance >= ACT else "watch" if distance >= WATCH else "steady"
    return f"  {category:24} PSI {distance:.3f}  KS {ks(expected, seen):.3f}  {verdict}", distance >= ACT


def _calibrations(arguments: argparse.Namespace) -> dict[str, Calibration]:
    """By surface. Raises Failure when there is none to hold anything against."""
    folders = [RoutingSettings().calibrations, Home.default().data / "routing" / FOLDER]
    try:
        found = {
            one.surface: one
            for one in read_all(folders)
            if (one.tenant, one.environment) == (arguments.tenant, arguments.environment)
        }
    except BadCalibration as error:
        raise Failure(str(error)) from None
    if not found or (arguments.surface and arguments.surface not in found):
        place = "/".join(filter(None, (arguments.tenant, arguments.environment, arguments.surface)))
        raise Failure(f"{place} is not calibrated; say `--against TIME..TIME`")
    return found

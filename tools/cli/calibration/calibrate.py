"""`moat calibrate`: limits for one tenant's surfaces from its reviewers' labels, to a target false-positive rate."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from moat_client import Moat, MoatError
from pydantic import TypeAdapter, ValidationError

from services.routing.calibration.bounds import CONFIDENCE
from services.routing.calibration.comparisons import compared
from services.routing.calibration.document import Labels, Place
from services.routing.calibration.folder import BY_HASH, FOLDER, Archive, write
from services.routing.calibration.making import Made, Scores, Wishes, document, judge
from services.routing.document import PolicyDocument
from services.routing.loading import load
from services.routing.policy import BadPolicy
from services.routing.settings import RoutingSettings
from tools.cli.calibration import table
from tools.cli.calibration.labels import DecisionLabel, LabelFile, read_labels
from tools.cli.calibration.recorded import place_filter, recorded
from tools.cli.calibration.scored import ScoredLabel, Usable, scored_labels, usable
from tools.cli.failure import Failure
from tools.cli.session import explained, open_client, running_topology
from tools.launcher.home import ROOT, Home

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

_REFERENCE = 2000
_TIMEOUT_SECONDS = 30.0


def register(commands: Commands) -> None:
    """Adds the subcommand."""
    one = commands.add_parser("calibrate", help="limits for a tenant from its reviewers' labels")
    one.add_argument("--tenant", required=True)
    one.add_argument("--environment", default="production")
    one.add_argument("--surface", help="this one alone (default: each that is labelled)")
    one.add_argument("--labels", type=Path, required=True, help="JSON lines: docs/guides/calibration.md")
    one.add_argument("--target", action="append", required=True, metavar="RATE | LIMIT=RATE",
                     help="share of benign texts that a limit may catch, 0.01 say; of one limit, another")  # fmt: skip
    one.add_argument("--only-raise", action="store_true", help="never lower a limit below the policy's own")
    one.add_argument("--confidence", type=float, default=CONFIDENCE, help="of the one-sided bound")
    one.add_argument("--policy", type=Path, help="a policy instead of the mesh's")
    one.add_argument("--folder", type=Path, help="where to write (default: the local mesh's, which has it in a moment)")
    one.add_argument("--reference", type=int, default=_REFERENCE,
                     help="latest decisions that drift is measured against; 0: the labels themselves")  # fmt: skip
    one.add_argument("--dry-run", action="store_true", help="print what would be done, write nothing")
    one.set_defaults(run=_calibrate)


@dataclass(frozen=True, slots=True)
class _Surface:
    name: str
    usable: Usable
    reference: list[Scores] = field(default_factory=list)


def _calibrate(arguments: argparse.Namespace) -> int:
    for value in filter(None, (arguments.tenant, arguments.environment, arguments.surface)):
        _checked_place(value)
    policy = _policy(arguments)
    wishes = _wishes(arguments, policy)
    file = read_labels(arguments.labels, tenant=arguments.tenant)
    try:
        surfaces = asyncio.run(_gather(arguments, file))
    except MoatError as error:
        raise explained(error) from None
    written = [_one(arguments, policy, wishes, file, surface) for surface in surfaces]
    return 0 if all(written) else 2


def _one(
    arguments: argparse.Namespace, policy: PolicyDocument, wishes: Wishes, file: LabelFile, surface: _Surface
) -> bool:
    """Whether there is a calibration of it now."""
    judged = judge(policy, surface.name, surface.usable.rows, wishes)
    name = f"{arguments.tenant}/{arguments.environment}/{surface.name}"
    _say(table.of(name, surface.usable, file, judged))
    if not any(one.counts for one in judged.values()):
        _say(["nothing could be shown of any limit, so nothing was written"])
        return False
    made = Made(
        tenant=arguments.tenant,
        environment=arguments.environment,
        surface=surface.name,
        made=datetime.now(UTC).replace(microsecond=0),
        models=surface.usable.models,
        labels=Labels(sha256=file.sha256, rows=len(file.labels), used=len(surface.usable.rows)),
        source="decisions" if surface.reference else "labels",
        reference=surface.reference or [row.scores for row in surface.usable.rows],
    )
    calibration = document(policy, judged, made, wishes.confidence)
    if not arguments.dry_run:
        folder = arguments.folder or Home.default().data / "routing" / FOLDER
        Archive(folder.parent / BY_HASH).keep([calibration])
        _say([f"written     {write(folder, calibration)}", f"named       {calibration.reference_name}"])
    return True


async def _gather(arguments: argparse.Namespace, file: LabelFile) -> list[_Surface]:
    needs_mesh = any(isinstance(one, DecisionLabel) for one in file.labels)
    async with AsyncExitStack() as stack:
        moat = await stack.enter_async_context(_client(arguments)) if needs_mesh else None
        found = await scored_labels(file, arguments.labels, moat)
        names = [arguments.surface] if arguments.surface else sorted({one.surface for one in found})
        return [await _surface(name, found, arguments, moat) for name in names]


async def _surface(
    name: str, labels: Sequence[ScoredLabel], arguments: argparse.Namespace, moat: Moat | None
) -> _Surface:
    _checked_place(name)
    if not any(one.surface == name for one in labels):
        there = ", ".join(sorted({one.surface for one in labels}))
        raise Failure(f"{arguments.labels}: no label is of surface {name!r}; there are {there}")
    rows = usable(labels, name)
    reference: list[Scores] = []
    if moat is not None and arguments.reference > 0:
        latest = recorded(moat, place_filter(name), arguments.reference)
        reference = [text.scores async for text in latest if text.models == rows.models]
    return _Surface(name, rows, reference)


def _client(arguments: argparse.Namespace) -> AbstractAsyncContextManager[Moat]:
    return open_client(
        running_topology(),
        tenant=arguments.tenant,
        environment=arguments.environment,
        roles=("sre",),
        timeout=_TIMEOUT_SECONDS,
    )


def _policy(arguments: argparse.Namespace) -> PolicyDocument:
    path = arguments.policy or ROOT / "config" / "policies" / RoutingSettings().policy
    try:
        return load(path).document
    except BadPolicy as error:
        raise Failure(str(error)) from None


def _wishes(arguments: argparse.Namespace, policy: PolicyDocument) -> Wishes:
    targets = dict(_target(text) for text in arguments.target)
    found = compared(policy)
    for limit in targets.keys() - {""}:
        if limit not in found:
            raise Failure(f"--target {limit}: the policy has no such limit; there are {', '.join(found)}")
        if found[limit].problem:
            raise Failure(f"--target {limit}: {found[limit].problem}")
    if "" not in targets:
        raise Failure("--target: say one for all limits too, 0.01 say")
    if not 0.5 <= arguments.confidence < 1:  # noqa: PLR2004 - below, a bound is none
        raise Failure("--confidence must be at least 0.5 and below 1")
    general = targets.pop("")
    return Wishes(general, targets, only_raise=arguments.only_raise, confidence=arguments.confidence)


def _target(text: str) -> tuple[str, float]:
    limit, _, rate = text.rpartition("=")
    try:
        value = float(rate)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise Failure(f"--target {text}: must be above 0 and below 1, 0.01 say; or LIMIT=RATE")
    return limit, value


def _checked_place(name: str) -> None:
    try:
        TypeAdapter(Place).validate_python(name)
    except ValidationError:
        raise Failure(f"{name!r}: letters, digits, _ - and . only; other places cannot be calibrated") from None


def _say(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))

"""What labels say of limits, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from services.routing.calibration.finding import Change
from services.routing.calibration.making import Judged
from tools.cli.calibration.labels import LabelFile
from tools.cli.calibration.scored import Usable

_HEAD = (
    f"{'limit':18} {'category':20} {'own':>8} {'now':>8} {'benign':>7} {'caught':>6} {'at most':>8} {'target':>7}  "
    f"{'recall (90 %)':16} what"
)


def of(name: str, usable: Usable, file: LabelFile, judged: Mapping[str, Judged]) -> Iterator[str]:
    """Of one place."""
    repeated = f", {file.repeated} lines of the file speak of what another does" if file.repeated else ""
    others = f", {usable.other_models} left out (other models)" if usable.other_models else ""
    yield f"{name}: {len(usable.rows)} labelled texts{repeated}{others}"
    yield _HEAD
    for limit, one in judged.items():
        yield _line(limit, one)
    yield from _notes(judged)


def _line(limit: str, one: Judged) -> str:
    found = one.finding
    low, high = found.recall
    recall = f"{found.found}/{found.positives} {low:.0%}-{high:.0%}" if found.positives else "no positives"
    return (
        f"{limit:18} {one.category:20} {one.own:8.4f} {found.value:8.4f} {found.benign:7} {found.caught:6} "
        f"{found.bound:8.2%} {one.target:7.2%}  {recall:16} {found.change}"
    )


def _notes(judged: Mapping[str, Judged]) -> Iterator[str]:
    for limit, one in judged.items():
        found = one.finding
        if found.change is Change.TOO_FEW:
            yield (
                f"{limit}: {found.benign} benign labels of {one.category} cannot show {one.target:.2%}; it takes at least "
                f"{found.missing} more, none of them caught"
            )
        elif found.change is Change.UNREACHABLE:
            yield f"{limit}: {one.category} gives too many benign texts its highest score; no limit keeps to {one.target:.2%}"
        if found.own_bounds[0] > one.target:
            yield (
                f"{limit}: the policy's own {one.own:g} is surely over the target here ({found.own_bounds[0]:.2%} to "
                f"{found.own_bounds[1]:.2%})"
            )

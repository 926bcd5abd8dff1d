"""`moat detectors`: the plugged-in detectors, for whom they are on, and how they do in the running mesh."""

from __future__ import annotations

import argparse
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from services.context.behaviour.registry import BEHAVIOURS
from services.detection.detectors.loading import BadDetector, Prepared, load
from services.detection.detectors.registry import DETECTORS
from services.detection.settings import DetectionSettings
from services.runtime.topology import Topology
from tools.cli.failure import Failure
from tools.launcher.home import Home

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

Doing = dict[str, dict[str, float]]
"""By detector, what its metrics say."""
_BREAKER = {0.0: "closed", 1.0: "half open", 2.0: "OPEN"}
_SECONDS = 2.0


def register(commands: Commands) -> None:
    """Adds the subcommand."""
    one = commands.add_parser("detectors", help="plugged-in detectors, and how they do")
    one.add_argument(
        "--all", action="store_true", help="those that there are instead: what files may use, and behaviour"
    )
    one.add_argument("--folder", type=Path, action="append", help="where their files are (default: those of the mesh)")
    one.set_defaults(run=_detectors)


def _detectors(arguments: argparse.Namespace) -> int:
    if arguments.all:
        for name, detector in DETECTORS.items():
            kinds = ", ".join(sorted(detector.card.kinds))
            sys.stdout.write(f"{name:<32} {detector.card.place:<11} {kinds:<18} {detector.card.summary}\n")
        for behaviour in BEHAVIOURS:
            sys.stdout.write(f"{behaviour.name:<32} {'context':<11} {'behaviour':<18} {behaviour.summary}\n")
        return 0
    folders = arguments.folder or [DetectionSettings().detectors, Home.default().data / "detection" / "detectors"]
    try:
        files = load(DETECTORS, *folders)
    except BadDetector as error:
        raise Failure(str(error)) from None
    doing = _doing()
    for one in files:
        sys.stdout.writelines(f"{line}\n" for line in _lines(one, doing))
    return 0


def _lines(one: Prepared, doing: Doing | None) -> Iterator[str]:
    document = one.document
    yield f"{document.name:<24} {'on ' if document.enabled else 'off'}  {document.uses}  {one.version}"
    if not document.enabled:
        return
    whose = [_some("tenant", document.tenants), _some("environment", document.environments)]
    yield f"    for      {', '.join(sorted(one.kinds))} of {', '.join((*whose, _some('surface', document.surfaces)))}"
    yield f"    asked    {document.ask}, for {document.deadline_ms} ms{', required' if document.required else ''}"
    if document.budget.micros_a_day is not None:
        yield f"    budget   {document.budget.micros_a_day} micros a day and tenant, {document.budget.cost_micros} a question"
    if doing is not None:
        yield f"    doing    {_said(doing.get(document.name))}"


def _some(what: str, names: frozenset[str]) -> str:
    return f"{what} {' '.join(sorted(names))}" if names else f"every {what}"


def _said(values: dict[str, float] | None) -> str:
    if values is None:
        return "not taken up (yet); `moat logs detection` says why"
    answers = [f"{int(count)} {state}" for state, count in sorted(values.items()) if state not in ("breaker", "cost")]
    breaker = _BREAKER[values.get("breaker", 0.0)]
    return f"breaker {breaker}; {', '.join(answers) or 'nothing asked yet'}; cost {int(values.get('cost', 0))} micros"


def _doing() -> Doing | None:
    """None where no mesh runs."""
    if not Home.default().supervisor():
        return None
    try:
        port = Topology.load(Home.default().topology).process("detection").metrics_port
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_SECONDS) as page:
            return _read(page.read().decode().splitlines())
    except (OSError, ValueError, KeyError):
        return None


def _read(lines: Sequence[str]) -> Doing:
    found: Doing = {}
    for family in text_string_to_metric_families("\n".join(lines)):
        for sample in family.samples:
            name = sample.labels.get("detector", "")
            if sample.name == "detection_detector_answers_total":
                found.setdefault(name, {})[sample.labels["state"]] = sample.value
            elif sample.name == "detection_detector_breaker":
                found.setdefault(name, {})["breaker"] = sample.value
            elif sample.name == "detection_detector_cost_micros_total":
                found.setdefault(name, {})["cost"] = sample.value
    return found

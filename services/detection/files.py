"""All that detection reads beside its settings: where it is, what follows it while it runs, and a look at it as it stands."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import yaml

from services.detection.detectors.ledger import Ledger
from services.detection.detectors.live import LiveDetectors
from services.detection.detectors.loading import Prepared
from services.detection.detectors.loading import load as load_detectors
from services.detection.detectors.registry import DETECTORS
from services.detection.images.banks.banks import Banks
from services.detection.releases.loading import load_plan
from services.detection.settings import DetectionSettings
from services.detection.terms import Terms
from services.runtime.reloading import Reloading
from services.runtime.topology import Topology


def folders(topology: Topology, came_with_it: Path, name: str) -> list[Path]:
    """Where files of a kind are: what came with the configuration, and what was put into the service's own state folder
    while it ran (`moat banks` does)."""
    return [came_with_it, topology.process("detection").state_dir / name]


def plan_files(topology: Topology, settings: DetectionSettings) -> tuple[Path, ...]:
    """Where the plan of releases may be: what `moat releases` wrote goes before what came with the configuration."""
    return topology.process("detection").state_dir / "releases.yaml", settings.plan


def live_terms(topology: Topology, settings: DetectionSettings) -> Reloading[Terms]:
    """The term lists. Raises ValueError or OSError."""
    where = folders(topology, settings.lists, "lists")
    return Reloading("term_lists", where, partial(Terms.load, *where))


def live_detectors(
    topology: Topology, settings: DetectionSettings
) -> tuple[LiveDetectors, Reloading[tuple[Prepared, ...]]]:
    """The detectors, and the files that they follow as long as those are watched. Raises BadDetector."""
    where = folders(topology, settings.detectors, "detectors")
    ledger = Ledger(topology.process("detection").state_dir / "spent.json")
    detectors = LiveDetectors(triton=f"{topology.triton.host}:{topology.triton.grpc}", ledger=ledger)
    files = Reloading(
        "detectors",
        where,
        partial(load_detectors, DETECTORS, *where),
        endings=(".yaml", ".md", ".txt"),
        changed=detectors.change,
    )
    detectors.change(files.current)
    return detectors, files


def check(topology: Topology, settings: DetectionSettings) -> None:
    """Raises ValueError (BadBank, BadDetector, BadRelease), which names the file and what is wrong in it, or OSError."""
    load_plan(plan_files(topology, settings), settings.places)
    Banks.load(folders(topology, settings.banks, "banks"))
    terms = Terms.load(*folders(topology, settings.lists, "lists"))
    tenants = frozenset(yaml.safe_load(topology.tenants_file.read_text()))
    _check_tenants("term lists", terms.tenants, tenants)
    for prepared in load_detectors(DETECTORS, *folders(topology, settings.detectors, "detectors")):
        if prepared.document.enabled:
            named = prepared.document.tenants.union(prepared.document.budget.tenants)
            _check_tenants(str(prepared.path), named, tenants)


def _check_tenants(where: str, named: Iterable[str], known: frozenset[str]) -> None:
    """A running mesh knows its tenants no better, so only a check can find one that is misspelt."""
    unknown = sorted(set(named) - known)
    if unknown:
        raise ValueError(f"{where}: tenants {unknown} are not in the tenants' file; there are {sorted(known)}")

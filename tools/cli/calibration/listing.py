"""`moat calibrations`: those of the local mesh, and whether they hold under its policy; or one by its hash."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from services.routing.calibration.applying import Calibrations
from services.routing.calibration.folder import BY_HASH, FOLDER, Archive, BadCalibration, read_all
from services.routing.loading import load
from services.routing.policy import BadPolicy
from services.routing.settings import RoutingSettings
from tools.cli.failure import Failure
from tools.launcher.home import ROOT, Home

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it


def register(commands: Commands) -> None:
    """Adds the subcommand."""
    one = commands.add_parser(
        "calibrations", help="calibrated limits, and whether they hold; or one that a decision names"
    )
    one.add_argument("hash", nargs="?", help="the part after the @ of a decision's calibration")
    one.add_argument("--policy", type=Path, help="a policy instead of the mesh's")
    one.add_argument("--folder", type=Path, help="where they are (default: those of the local mesh)")
    one.set_defaults(run=_list)


def _list(arguments: argparse.Namespace) -> int:
    folder = arguments.folder or Home.default().data / "routing" / FOLDER
    try:
        if arguments.hash:
            return _show(Archive(folder.parent / BY_HASH), arguments.hash)
        policy = load(arguments.policy or ROOT / "config" / "policies" / RoutingSettings().policy)
        folders = [folder] if arguments.folder else [RoutingSettings().calibrations, folder]
        found = Calibrations(read_all(folders), policy.document)
    except (BadCalibration, BadPolicy) as error:
        raise Failure(str(error)) from None
    for applied in found.applied:
        limits = ", ".join(f"{limit} {value:g}" for limit, value in applied.limits.items())
        sys.stdout.write(f"holds   {applied.calibration.name:32} {applied.calibration.content_hash[:12]}  {limits}\n")
    for stale in found.stale:
        sys.stdout.write(f"stale   {stale.calibration.name:32} {stale.calibration.content_hash[:12]}  {stale.reason}\n")
    return 0


def _show(archive: Archive, content_hash: str) -> int:
    calibration = archive.find(content_hash.rpartition("@")[2])
    sys.stdout.write(yaml.safe_dump(calibration.model_dump(mode="json"), sort_keys=False, default_flow_style=None))
    return 0

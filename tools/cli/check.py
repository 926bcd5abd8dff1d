"""`moat check-config`: reads all that the mesh would start with, and says what is wrong. Starts nothing."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from gateway.envoy.files import check, render
from services.detection.detectors.loading import load
from services.detection.detectors.registry import DETECTORS
from services.detection.settings import DetectionSettings
from services.detection.terms import Terms
from services.routing.calibration.applying import Calibrations
from services.routing.calibration.folder import FOLDER as CALIBRATIONS
from services.routing.calibration.folder import BadCalibration
from services.routing.calibration.folder import read_all as read_calibrations
from services.routing.loading import load as load_policy
from services.routing.settings import RoutingSettings
from services.runtime.settings import load_settings
from services.runtime.topology import Topology
from tools.cli.failure import Failure
from tools.launcher.home import ROOT, Home
from tools.launcher.ports import Ports
from tools.launcher.python_process import python_environment
from tools.launcher.resolve import SOURCE, Document, read_source, resolve

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it


def register(commands: Commands) -> None:
    """Adds the subcommand."""
    one = commands.add_parser("check-config", help="read every process's configuration and say what is wrong")
    one.add_argument("--topology", type=Path, default=SOURCE, help="a source instead of config/topology.yaml")
    one.set_defaults(run=_check_config)


def _check_config(arguments: argparse.Namespace) -> int:
    # In a home of its own: a mesh that runs has resolved its own, and shall not notice.
    with tempfile.TemporaryDirectory(prefix="moat-check-") as folder:
        problems, notes = _read_all(Home.under(Path(folder)), arguments.topology)
    sys.stderr.write("".join(f"{note}\n" for note in notes))
    for name, problem in problems.items():
        if problem:
            sys.stderr.write(f"{problem.rstrip()}\n")
        else:
            sys.stdout.write(f"{name:<12} ok\n")
    return 1 if any(problems.values()) else 0


def _read_all(home: Home, source_file: Path) -> tuple[dict[str, str], list[str]]:
    """What is wrong, by process, empty for what is well; and what an operator may want to know."""
    try:
        source = read_source(source_file)
        with Ports() as ports:
            topology = resolve(home, source, ports)
    except (OSError, KeyError, ValueError, yaml.YAMLError) as error:
        raise Failure(f"{source_file}: {error!r}") from None
    environment = python_environment(home, source["processes"])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        edge = pool.submit(lambda: check(render(topology)))
        found = pool.map(lambda entry: _problem(entry, environment), source["processes"].values())
        problems = dict(zip(source["processes"], found, strict=True))
        if not problems["routing"] and not problems["detection"]:
            problems |= beside_each_other(topology, Home.default().data / "detection")
        stale = [] if problems["routing"] else stale_calibrations(topology, Home.default().data / "routing")
        refused = edge.result()
    return problems | {"edge": f"edge: Envoy refuses its configuration: {refused}" if refused else ""}, stale


def beside_each_other(topology: Topology, state: Path) -> dict[str, str]:
    """What no process can see alone. A policy may name a detector that no file has: its rules would see 0 for ever. And what
    was put into `state`, detection's folder in the mesh that runs, is none of the home that is checked."""
    routing = load_settings(RoutingSettings, topology.process("routing").settings)
    detection = load_settings(DetectionSettings, topology.process("detection").settings)
    try:
        files = load(DETECTORS, detection.detectors, state / "detectors")
        Terms.load(detection.lists, state / "lists")
    except (ValueError, OSError) as error:
        return {"detection": f"detection: {error}"}
    path = topology.policies_dir / routing.policy
    there = {one.document.name for one in files}
    unknown = sorted(set(load_policy(path).document.detectors) - there)
    if not unknown:
        return {}
    named = ", ".join(sorted(there)) or "none"
    return {"routing": f"routing: {path}: detectors: no file has {', '.join(unknown)}; there are {named}"}


def stale_calibrations(topology: Topology, state: Path) -> list[str]:
    """Calibrations that the policy leaves behind: no mistake, the policy's own limits hold in their stead, but their communities
    will notice. Also of those in `state`, routing's folder in the mesh that runs. Raises Failure for one that cannot be read."""
    settings = load_settings(RoutingSettings, topology.process("routing").settings)
    policy = load_policy(topology.policies_dir / settings.policy).document
    try:
        found = Calibrations(read_calibrations((settings.calibrations, state / CALIBRATIONS)), policy)
    except BadCalibration as error:
        raise Failure(str(error)) from None
    return [f"routing: calibration {one.calibration.name} does not hold: {one.reason}" for one in found.stale]


def _problem(entry: Document, environment: Mapping[str, str]) -> str:
    command = [sys.executable, "-m", entry["module"], "--check-config"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr or f"{entry['module']}: ended with code {done.returncode}"

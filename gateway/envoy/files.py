"""The configuration as text, and Envoy's own word on it."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import envoy
import yaml

from gateway.envoy.edge import bootstrap
from services.runtime.topology import Topology

DESCRIPTOR_SET = Path(__file__).resolve().parents[2] / "gen" / "moat.binpb"
BINARY = Path(envoy.__file__).parent / "_bin" / "envoy"
"""The server itself, not the script that its package puts on the path."""


def render(topology: Topology, descriptor_set: Path = DESCRIPTOR_SET) -> str:
    """The configuration as YAML, keys in the order in which they read best."""
    return yaml.safe_dump(bootstrap(topology, str(descriptor_set)), sort_keys=False, width=120)


def check(document: str) -> str:
    """What Envoy has against the document; empty if nothing."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(document)
        file.flush()
        command = [str(BINARY), "--mode", "validate", "-c", file.name, "--log-level", "error"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return "" if done.returncode == 0 else done.stderr + done.stdout

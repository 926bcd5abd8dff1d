"""Meshes to measure: as configured but for what a case is about, each in a home of its own and gone afterwards."""

from __future__ import annotations

import shutil
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from moat_client import Moat
from prometheus_client.parser import text_string_to_metric_families

from services.runtime.topology import Topology
from tools.launcher.control import Mesh
from tools.launcher.home import Home
from tools.launcher.resolve import SOURCE

TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class RunningMesh:
    """A mesh that is well."""

    mesh: Mesh
    topology: Topology

    def client(self, tenant: str = "demo", **options: Any) -> Moat:  # noqa: ANN401 - the SDK's
        """The SDK, as that tenant's game server; `options` are passed on."""
        edge = self.topology.edge
        token = self.mesh.token(tenant=tenant)
        return Moat(f"localhost:{edge.port}", token=token, ca_file=edge.ca_file, timeout=TIMEOUT, **options)

    def memory_mb(self) -> float:
        """Of all its processes; what they share counts once."""
        total = 0
        for pid in [*self.mesh.processes(), self.mesh.supervisor()]:
            try:
                total += psutil.Process(pid).memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
        return total / 1e6

    def deep_lines(self) -> tuple[float, float]:
        """Lines that detection has seen so far: all, and those that the deep tier was asked about."""
        port = self.topology.process("detection").metrics_port
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            page = answer.read().decode()
        count = {"yes": 0.0, "no": 0.0}
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name == "detection_lines_total":
                    count[sample.labels["deep"]] += sample.value
        return count["yes"] + count["no"], count["yes"]


@contextmanager
def mesh(settings: Mapping[str, str] | None = None, *, keep_share: float = 0.0) -> Iterator[RunningMesh]:
    """Starts one. `settings` override those of processes; `keep_share` of the plain decisions' traces are kept."""
    folder = Path(tempfile.mkdtemp(prefix="moat-bench-"))
    folder.chmod(0o711)  # Postgres may run as somebody else, who must get to his data
    source = yaml.safe_load(SOURCE.read_text())
    source["traces"]["keep_share"] = keep_share
    topology = folder / "topology.yaml"
    topology.write_text(yaml.safe_dump(source))
    one = Mesh(Home.under(folder))
    try:
        supervisor = one.start(topology=topology, settings=settings, outlive_us=False)
        yield RunningMesh(one, one.wait_until_up(supervisor))
    finally:
        one.stop()
        shutil.rmtree(folder, ignore_errors=True)

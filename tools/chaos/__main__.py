"""`python -m tools.chaos [--kills N] [--seed N]`: in a mesh of its own."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from services.runtime.topology import Topology
from tools.chaos.run import NotBack, run
from tools.launcher.control import Mesh, MeshDown
from tools.launcher.home import Home


def main() -> int:
    """Returns the exit code: 0 only if nothing was lost, nothing applied twice, and the mesh came back each time."""
    parser = argparse.ArgumentParser(prog="tools.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="moat-chaos-") as folder:
        Path(folder).chmod(0o711)
        mesh = Mesh(Home.under(Path(folder)))
        try:
            supervisor = mesh.start(outlive_us=False)
            topology: Topology = mesh.wait_until_up(supervisor)
            verdict = asyncio.run(
                run(mesh, topology, kills=arguments.kills, seed=arguments.seed, tell=sys.stdout.write)
            )
        except (MeshDown, NotBack) as problem:
            sys.stderr.write(f"chaos: {problem}\n")
            return 1
        finally:
            mesh.stop()
    sys.stdout.write(
        f"{verdict.answered} answered, {len(verdict.missing)} missing from the record, "
        f"{len(verdict.doubled)} effects applied twice\n"
    )
    return 0 if verdict.good else 1


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tools.launcher`: runs the mesh of MOAT_HOME in the foreground until SIGTERM. `moat up` starts it."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import yaml

from inference.environment import UnusableEnvironment
from services.runtime.logs import configure_logs
from tools.launcher.home import SUPERVISOR, Home, HomeTaken
from tools.launcher.mesh import programs
from tools.launcher.ports import Ports
from tools.launcher.processes import end_all
from tools.launcher.resolve import SOURCE, read_source, resolve
from tools.launcher.status import Status
from tools.launcher.supervisor import Supervisor


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="tools.launcher", description=__doc__)
    parser.add_argument("--topology", type=Path, default=SOURCE, help="the source, instead of config/topology.yaml")
    parser.add_argument("--only", nargs="*", default=(), metavar="NAME", help="start these, and what they come after")
    arguments = parser.parse_args()
    home = Home.default()
    home.make()
    configure_logs(SUPERVISOR)
    try:
        with home.lock():
            _run(home, arguments.topology, arguments.only)
    except HomeTaken:
        return _refuse(f"a mesh runs in {home.folder} already; `moat status` shows it, `moat down` stops it")
    except (OSError, UnusableEnvironment) as error:
        return _refuse(str(error))
    except (KeyError, ValueError, yaml.YAMLError) as error:
        return _refuse(f"{arguments.topology}: {error!r}")
    return 0


def _run(home: Home, source_file: Path, only: list[str]) -> None:
    earlier = Status.read(home)
    end_all(home.folder, earlier.recorded if earlier else {})
    source = read_source(source_file)
    with Ports() as ports:
        topology = resolve(home, source, ports)
        asyncio.run(Supervisor(home, programs(home, source, topology, only)).run())


def _refuse(problem: str) -> int:
    sys.stderr.write(f"{problem}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

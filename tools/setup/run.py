"""The command: checks the place once, then makes each environment that was named."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.setup.environment import Environment
from tools.setup.failure import SetupFailed
from tools.setup.interpreter import choose_interpreter
from tools.setup.place import check_place

ROOT = Path(__file__).resolve().parents[2]
_SOURCES = (ROOT, ROOT / "gen", ROOT / "clients" / "python")
_REQUIREMENTS = ROOT / "requirements"

ENVIRONMENTS = {
    # By what is asked for: the environment's folder, its lock, and the locks that it holds as well.
    "services": ("services", "services", ()),
    "dev": ("services", "dev", ("services",)),
    "triton": ("triton", "triton", ()),
    "train": ("train", "train", ()),
}


def run(arguments: Sequence[str]) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.setup", description=__doc__)
    parser.add_argument("names", nargs="+", choices=sorted(ENVIRONMENTS), metavar="ENVIRONMENT")
    try:
        for name in parser.parse_args(arguments).names:
            _ensure(name)
    except SetupFailed as failure:
        sys.stderr.write(f"moat: {failure}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("moat: interrupted; run the same again to go on\n")
        return 130
    return 0


def _ensure(name: str) -> None:
    folder, lock, included = ENVIRONMENTS[name]
    environment = Environment(
        folder=ROOT / ".moat" / "envs" / folder,
        locks={one: _REQUIREMENTS / f"{one}.txt" for one in (lock, *included)},
        sources=() if folder == "triton" else _SOURCES,
    )
    if environment.is_current():
        return
    check_place(environment.folder)
    environment.make(lock, choose_interpreter(needs_libpython=folder == "triton"))

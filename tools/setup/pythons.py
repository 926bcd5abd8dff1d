"""Which Pythons here can make an environment.

Must be understood by whatever `python3` is, so no syntax younger than Python 3.7.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

OLDEST = 11
YOUNGEST = 13
_CHECK = f"import ensurepip, sys, venv; sys.exit(not (3, {OLDEST}) <= sys.version_info[:2] <= (3, {YOUNGEST}))"
REMEDY = f"""\
no usable Python from 3.{OLDEST} to 3.{YOUNGEST} here: it must have the modules venv and ensurepip.
On Debian and Ubuntu: apt-get install python3 python3-venv
Or name one: make setup PYTHON=/path/to/python3.12
"""


def usable_pythons() -> list[str]:
    """Paths, the running one first if it will do; may be empty."""
    found = [sys.executable, *map(shutil.which, [f"python3.{minor}" for minor in range(OLDEST, YOUNGEST + 1)])]
    return [path for path in found if path and _is_usable(path)]


def _is_usable(python: str) -> bool:
    # A name on PATH may be a version manager's, which refuses; and Debian ships venv without ensurepip.
    done = subprocess.run([python, "-c", _CHECK], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return done.returncode == 0

"""Which Python an environment is made with."""

from __future__ import annotations

import json
import subprocess

from inference.environment import UnusableEnvironment, find_libpython
from tools.setup.failure import SetupFailed
from tools.setup.pythons import REMEDY, usable_pythons

_PROBE = """
import json, sys, sysconfig
print(json.dumps(["%d.%d" % sys.version_info[:2], sysconfig.get_config_var("LIBDIR") or ""]))
"""


def choose_interpreter(*, needs_libpython: bool) -> str:
    """The running one if it will do, else another; where Triton's model stubs need a libpython, one that has it.

    Raises SetupFailed.
    """
    problems: list[str] = []
    for python in usable_pythons():
        problem = _lacks_libpython(python) if needs_libpython else ""
        if not problem:
            return python
        problems.append(problem)
    raise SetupFailed(problems[0] if problems else REMEDY)


def _lacks_libpython(python: str) -> str:
    version, library_folder = json.loads(subprocess.check_output([python, "-c", _PROBE]))
    try:
        find_libpython(version, library_folder)
    except UnusableEnvironment as problem:
        return str(problem)
    return ""

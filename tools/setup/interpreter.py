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
    pythons = usable_pythons()
    if not pythons:
        raise SetupFailed(REMEDY)
    if not needs_libpython:
        return pythons[0]
    problems: list[str] = []
    found = [json.loads(subprocess.check_output([python, "-c", _PROBE])) for python in pythons]
    # One that Triton was made for comes first: the younger ones have no numpy 1.
    for python, (version, library_folder) in sorted(zip(pythons, found, strict=True), key=_without_numpy_1):
        problem = _lacks_libpython(version, library_folder)
        if not problem:
            return python
        problems.append(problem)
    raise SetupFailed(problems[0])


def _without_numpy_1(found: tuple[str, list[str]]) -> bool:
    return found[1][0] == "3.13"


def _lacks_libpython(version: str, library_folder: str) -> str:
    try:
        find_libpython(version, library_folder)
    except UnusableEnvironment as problem:
        return str(problem)
    return ""

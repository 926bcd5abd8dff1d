"""Becomes a command that dies when its parent does: `python -IS leash.py PARENT USER GROUP COMMAND…`.

After a kill -9 of the supervisor nothing of its mesh may live on. A program of its own and not a `preexec_fn`, because
the supervisor has threads, and Python code between its fork and exec may wait for ever for a lock that one of them
held.
The command's environment is in LEASHED as JSON: what is meant for the command, as LD_LIBRARY_PATH, must not reach this
Python.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
SAME = -1
"""No change of user or group."""


def main() -> None:
    """Does not return."""
    parent, user, group = (int(argument) for argument in sys.argv[1:4])
    command = sys.argv[4:]
    if user != SAME:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    # After the change of user, which undoes it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the supervisor ended before its child began")
    os.execve(command[0], command, json.loads(os.environ["LEASHED"]))  # noqa: S606 - becoming it is the point


if __name__ == "__main__":
    main()

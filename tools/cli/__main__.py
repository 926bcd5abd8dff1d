"""`moat COMMAND …`: reads the arguments, runs the command, turns what people can put right into one line."""

from __future__ import annotations

import argparse
import sys

from tools.cli import banks, decision, mesh, moderate
from tools.cli.failure import Failure

_PARTS = (mesh, moderate, decision, banks)
"""Modules with `register(commands)`, in the order in which help lists them."""


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="moat", description="An open, real-time trust & safety mesh.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for part in _PARTS:
        part.register(commands)
    arguments = parser.parse_args()
    try:
        return int(arguments.run(arguments))
    except Failure as failure:
        sys.stderr.write(f"moat: {failure}\n")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

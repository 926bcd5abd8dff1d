"""`moat COMMAND …`: reads the arguments, runs the command, turns what people can put right into one line."""

from __future__ import annotations

import argparse
import os
import sys

from tools.cli import banks, check, decision, detectors, evidence, mesh, moderate, releases, score, voice
from tools.cli.calibration import calibrate, drift, listing, sample
from tools.cli.failure import Failure

_PARTS = (
    mesh, moderate, voice, decision, evidence, score, sample, calibrate, listing, drift, banks, detectors, releases, check
)  # fmt: skip
"""Modules with `register(commands)`, in the order in which help lists them."""


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="moat", description="An open, real-time trust & safety mesh.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for part in _PARTS:
        part.register(commands)
    arguments = parser.parse_args()
    try:
        code = int(arguments.run(arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has enough. Python would say so again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (Failure, OSError) as failure:
        sys.stderr.write(f"moat: {failure}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())

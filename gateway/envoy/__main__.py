"""`python -m gateway.envoy`: prints the edge's configuration for the topology in MOAT_TOPOLOGY.

`--check` asks Envoy for its opinion instead.
"""

from __future__ import annotations

import argparse
import sys

from gateway.envoy.files import check, render
from services.runtime.topology import Topology


def main() -> int:
    """Returns the exit code: Envoy's own with `--check`."""
    parser = argparse.ArgumentParser(prog="gateway.envoy", description=__doc__)
    parser.add_argument("--check", action="store_true", help="validate with the Envoy binary instead of printing")
    document = render(Topology.load())
    if not parser.parse_args().check:
        sys.stdout.write(document)
        return 0
    problem = check(document)
    sys.stderr.write(problem)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())

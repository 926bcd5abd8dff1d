"""`python3 -m tools.setup ENVIRONMENT…`: makes or renews environments under `.moat/envs`.

Must be understood by whatever `python3` is, so no syntax younger than Python 3.7 here, and nothing imported from the
rest before a Python is found that will do.
"""

from __future__ import annotations

import os
import sys

from tools.setup.pythons import OLDEST, REMEDY, YOUNGEST, usable_pythons


def main() -> int:
    """Returns the exit code."""
    if not (3, OLDEST) <= sys.version_info[:2] <= (3, YOUNGEST):
        pythons = usable_pythons()
        if not pythons:
            sys.stderr.write("moat: " + REMEDY)
            return 1
        os.execv(pythons[0], [pythons[0], "-m", "tools.setup", *sys.argv[1:]])  # noqa: S606 - becoming it is the point
    from tools.setup.run import run  # noqa: PLC0415 - see above

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())

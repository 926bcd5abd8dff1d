"""Small real processes for tests of the supervisor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tools.launcher.program import Program

WELL = "import pathlib, time; pathlib.Path('well').touch(); time.sleep(60)"
"""Is well as soon as it runs, and ends at SIGTERM."""


def program(folder: Path, script: str = WELL, name: str = "one", **changes: Any) -> Program:  # noqa: ANN401
    """A Python script in `folder`, well while the file `well` is there."""

    async def probe() -> bool:
        return (folder / "well").exists()

    async def prepare() -> None:
        (folder / "well").unlink(missing_ok=True)

    defaults: dict[str, Any] = {
        "name": name,
        "command": [sys.executable, "-IS", "-c", script],
        "environment": {},
        "probe": probe,
        "prepare": prepare,
        "folder": folder,
        "start_seconds": 10.0,
        "patience_seconds": 0.5,
        "stop_seconds": 5.0,
    }
    return Program(**(defaults | changes))

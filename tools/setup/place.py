"""Whether this machine and this folder can hold an environment; said before anything is downloaded."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from tools.setup.failure import SetupFailed

_NEEDED_BYTES = 2_500_000_000
_GOOD_PATH = re.compile(r"[\w./+@~-]+")


def check_place(folder: Path) -> None:
    """Makes `folder`'s parent. Raises SetupFailed with the remedy."""
    if platform.system() != "Linux" or platform.machine() != "x86_64" or platform.libc_ver()[0] != "glibc":
        here = f"{platform.system()} {platform.machine()} {platform.libc_ver()[0]}"
        raise SetupFailed(f"the servers come as packages for Linux on x86-64 with glibc, and this is {here}")
    if not _GOOD_PATH.fullmatch(str(folder)):
        raise SetupFailed(
            f"{folder}: make and the servers need a path without spaces, colons and quotes; move this folder"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupFailed(f"{folder.parent} cannot be made: {error.strerror}") from None
    if shutil.disk_usage(folder.parent).free < _NEEDED_BYTES:
        raise SetupFailed(
            f"{folder.parent} has less than {_NEEDED_BYTES / 1e9:.1f} GB left; make room or move this folder"
        )
    _check_executable(folder.parent)


def _check_executable(folder: Path) -> None:
    script = folder / f".probe.{os.getpid()}"
    try:
        script.write_text("#!/bin/sh\n")
        script.chmod(0o700)
        subprocess.run([str(script)], check=True)
    except PermissionError as error:
        raise SetupFailed(
            f"nothing can be executed or written in {folder} ({error.strerror}): it may be mounted noexec or belong to "
            "somebody else; move this folder"
        ) from None
    finally:
        script.unlink(missing_ok=True)

"""One Python environment: made from a lock with hashes, renewed when the lock changes, otherwise left alone."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.setup.failure import SetupFailed
from tools.setup.progress import Progress, packages_in

_TAIL_LINES = 20
_FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment and the locks it must hold."""

    folder: Path
    locks: Mapping[str, Path]
    """By name: what is installed, first, and what that includes."""
    sources: Sequence[Path]
    """Folders of ours that its Python shall find."""

    def is_current(self) -> bool:
        """Whether there is nothing to do; costs milliseconds and no network."""
        held = self._read_stamp()
        return self._is_whole(held) and all(held.get(name) == _digest(lock) for name, lock in self.locks.items())

    def make(self, lock: str, interpreter: str) -> None:
        """Makes or renews it from `locks[lock]`. Raises SetupFailed. Whatever interrupts it, the next run goes on."""
        with self._exclusively():
            if self.is_current():
                return
            whole = self._is_whole(self._read_stamp())
            # Now, not afterwards: a lock may change while it is being installed.
            held = {name: _digest(path) for name, path in self.locks.items()}
            self._stamp.unlink(missing_ok=True)
            if not whole:
                self._create(interpreter)
            self._install(lock)
            self._link_sources()
            self._stamp.write_text(json.dumps({_FOLDER: str(self.folder), **held}))

    @property
    def _python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def _stamp(self) -> Path:
        return self.folder / "moat-stamp.json"

    def _is_whole(self, stamp: Mapping[str, str]) -> bool:
        """Finished once, not moved since, and its base Python not removed since."""
        return stamp.get(_FOLDER) == str(self.folder) and os.access(self._python, os.X_OK)

    def _read_stamp(self) -> dict[str, str]:
        """Written last: the folder, and digests of the locks it holds, by name."""
        try:
            stamp: dict[str, str] = json.loads(self._stamp.read_text())
        except (OSError, ValueError):
            return {}
        return stamp

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """Two that set up at once: the second waits, and finds the work done."""
        with self.folder.with_name(f".{self.folder.name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _create(self, interpreter: str) -> None:
        sys.stdout.write(f"{self.folder.name}: new environment with {interpreter}\n")
        sys.stdout.flush()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._run([interpreter, "-m", "venv", str(self.folder)])

    def _install(self, lock: str) -> None:
        path = self.locks[lock]
        command = [
            *(str(self._python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"),
            *("--progress-bar", "off", "--no-deps", "--require-hashes", "-r", str(path)),
        ]
        with Progress(self.folder.name, packages_in(path)) as progress:
            self._run(command, progress)

    def _run(self, command: Sequence[str], progress: Progress | None = None) -> None:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        lines: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if progress is not None:
                progress.saw(line)
        if process.wait():
            end = "".join(f"    {line}" for line in lines[-_TAIL_LINES:])
            raise SetupFailed(f"{' '.join(command[:4])} … failed:\n{end}")

    def _link_sources(self) -> None:
        if self.sources:
            version = subprocess.check_output(
                [str(self._python), "-c", "import sys; print('python%d.%d' % sys.version_info[:2])"], text=True
            ).strip()
            paths = self.folder / "lib" / version / "site-packages" / "moat-paths.pth"
            paths.write_text("".join(f"{source}\n" for source in self.sources))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

"""Where one mesh keeps its files. Two meshes never share a home."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
ENVIRONMENTS = ROOT / ".moat" / "envs"
"""Python environments are shared by all meshes of a checkout."""
SUPERVISOR = "supervisor"
"""Its name among the logs."""
_LOCK_SECONDS = 1.0


class HomeTaken(Exception):
    """Another supervisor runs this mesh."""


@dataclass(frozen=True, slots=True)
class Home:
    """The folders of one mesh."""

    folder: Path

    @classmethod
    def default(cls) -> Home:
        """The mesh of `$MOAT_HOME`, which is `.moat` in the checkout unless something else is said."""
        return cls.under(Path(os.environ.get("MOAT_HOME") or ROOT / ".moat"))

    @classmethod
    def under(cls, moat_home: Path) -> Home:
        """The mesh of a MOAT_HOME."""
        return cls(moat_home.absolute() / "mesh")

    @property
    def secrets(self) -> Path:
        """Keys, certificates and passwords; readable by the owner alone."""
        return self.folder / "secrets"

    @property
    def data(self) -> Path:
        """What the servers keep."""
        return self.folder / "data"

    @property
    def run(self) -> Path:
        """What is true while the mesh runs: topology, status, lock."""
        return self.folder / "run"

    @property
    def logs(self) -> Path:
        """A file per process."""
        return self.folder / "logs"

    @property
    def topology(self) -> Path:
        """The resolved topology."""
        return self.run / "topology.json"

    @property
    def status(self) -> Path:
        """The supervisor's word on every process."""
        return self.run / "status.json"

    def log(self, program: str) -> Path:
        """Where a program's output goes."""
        return self.logs / f"{program}.log"

    def make(self) -> None:
        """Creates the folders. The home itself may be passed through, so that Postgres, which refuses to be root, can
        reach its data; each folder in it says for itself who may look."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for folder, mode in ((self.secrets, 0o700), (self.data, 0o711), (self.run, 0o700), (self.logs, 0o700)):
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Held by the supervisor for its whole life; the kernel lets go of it however the supervisor ends.

        Raises HomeTaken.
        """
        with self._lock_file.open("a") as file:
            deadline = time.monotonic() + _LOCK_SECONDS
            while not _try_lock(file.fileno()):
                # Somebody may just have been looking whether it is taken.
                if time.monotonic() > deadline:
                    raise HomeTaken(str(self.folder))
                time.sleep(0.02)
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def supervisor(self) -> int:
        """The supervisor's process id; 0 if none runs."""
        try:
            with self._lock_file.open() as file:
                return 0 if _try_lock(file.fileno()) else int(file.read() or 0)
        except FileNotFoundError:
            return 0

    @property
    def _lock_file(self) -> Path:
        return self.run / "lock"


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

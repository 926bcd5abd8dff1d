"""A mesh seen from outside its supervisor: start it, wait for it, look at it, stop it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.runtime.topology import Topology
from tools.launcher.child import leashed
from tools.launcher.home import SUPERVISOR, Home
from tools.launcher.processes import belonging_to
from tools.launcher.status import State, Status
from tools.launcher.tokens import mint

_POLL_SECONDS = 0.1
_HOPELESS_STARTS = 5
_TAIL_LINES = 15


class MeshDown(Exception):
    """The mesh does not come up, or is not up. The message says what failed, with the end of its log."""


@dataclass(frozen=True, slots=True)
class Mesh:
    """The mesh of one home."""

    home: Home

    def start(
        self,
        *,
        topology: Path | None = None,
        only: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        outlive_us: bool = True,
    ) -> int:
        """Starts a supervisor; returns its process id. See `wait_until_up`.

        `topology`: a source instead of config/topology.yaml. `only`: these programs, and what they come after.
        `settings`: variables (`GATEWAY_…`) that override settings of processes. Unless it shall `outlive_us` it is
        killed when the calling thread ends, however that ends.
        """
        self.home.make()
        command = [sys.executable, "-m", "tools.launcher"]
        command += ["--topology", str(topology)] if topology else []
        command += ["--only", *only] if only else []
        environment = {**os.environ, **(settings or {}), "MOAT_HOME": str(self.home.folder.parent)}
        if not outlive_us:
            command, environment = leashed(command, environment)
        log = str(self.home.log(SUPERVISOR))
        return os.posix_spawn(
            command[0],
            command,
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )

    def wait_until_up(
        self, supervisor: int, *, seconds: float = 180.0, tell: Callable[[Status], None] = lambda _: None
    ) -> Topology:
        """Returns when everything is well. `tell` gets each status on the way. Raises MeshDown."""
        deadline = time.monotonic() + seconds
        while True:
            status = self.status()
            if status is not None and status.pid == supervisor:
                tell(status)
                if status.healthy:
                    return Topology.load(self.home.topology)
                self._give_up_if_hopeless(status)
            if not _alive(supervisor):
                raise MeshDown(f"the supervisor ended\n{self.tail(SUPERVISOR)}")
            if time.monotonic() > deadline:
                raise MeshDown(self._unwell(status, seconds))
            time.sleep(_POLL_SECONDS)

    def status(self) -> Status | None:
        """The supervisor's last word; None if there never was one."""
        return Status.read(self.home)

    def supervisor(self) -> int:
        """The supervisor's process id; 0 if the mesh is down."""
        return self.home.supervisor()

    def stop(self, *, seconds: float = 60.0) -> bool:
        """Drains and stops everything; whether there was anything to stop. After `seconds` it is killed."""
        supervisor = self.supervisor()
        if not supervisor:
            return False
        os.kill(supervisor, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while self.supervisor():
            if time.monotonic() > deadline:
                os.kill(supervisor, signal.SIGKILL)
                deadline += seconds
            time.sleep(_POLL_SECONDS)
        return True

    def processes(self) -> list[int]:
        """Every living process of this mesh but its supervisor, whatever became of that one."""
        status = self.status()
        return belonging_to(self.home.folder, status.recorded if status else {})

    def token(
        self,
        *,
        tenant: str = "demo",
        environment: str = "production",
        roles: Sequence[str] = ("game_server",),
        subject: str = "local",
        ttl_seconds: float = 3600,
    ) -> str:
        """A token that this mesh's edge accepts."""
        tokens = Topology.load(self.home.topology).tokens
        return mint(
            tokens, tenant=tenant, environment=environment, roles=roles, subject=subject, ttl_seconds=ttl_seconds
        )

    def tail(self, program: str, lines: int = _TAIL_LINES) -> str:
        """The end of a program's log."""
        return tail(self.home.log(program), lines)

    def _give_up_if_hopeless(self, status: Status) -> None:
        for name, one in status.programs.items():
            if not one.was_well and (one.state is State.FAILED or one.starts >= _HOPELESS_STARTS):
                raise MeshDown(f"{name} does not start: {one.problem}\n{self.tail(name)}")

    def _unwell(self, status: Status | None, seconds: float) -> str:
        if status is None:
            return f"the supervisor says nothing after {seconds:.0f} s\n{self.tail(SUPERVISOR)}"
        unwell = {name: one for name, one in status.programs.items() if one.state is not State.HEALTHY}
        said = [f"{name} is {one.state} {one.problem}\n{self.tail(name)}" for name, one in unwell.items()]
        return "\n".join([f"not up after {seconds:.0f} s:", *said])


def tail(path: Path, lines: int) -> str:
    """The last lines of a file, indented; empty if there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64 * 1024))
        last = file.read().decode(errors="replace").splitlines()[-lines:]
    return "".join(f"    {line}\n" for line in last)


def _alive(pid: int) -> bool:
    """Also collects it if it was ours and has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == 0
    except ChildProcessError:
        return Path(f"/proc/{pid}").exists()

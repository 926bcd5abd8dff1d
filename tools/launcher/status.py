"""What the supervisor tells the world of its programs: one small JSON file, written anew at every change."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from tools.launcher.files import write_atomically
from tools.launcher.home import Home


class State(StrEnum):
    """Where a program is."""

    WAITING = "waiting"
    """For others to be well once."""
    STARTING = "starting"
    HEALTHY = "healthy"
    UNWELL = "unwell"
    """It runs, and was well."""
    FAILED = "failed"
    """It cannot be started as things are; that is tried again all the same."""
    STOPPED = "stopped"


class ProgramStatus(BaseModel):
    """One program."""

    model_config = ConfigDict(frozen=True)

    state: State
    pid: int
    """0 when it does not run."""
    start_ticks: int
    """When that process began; with the pid it names it for good."""
    starts: int
    """How often it was started by this supervisor."""
    was_well: bool
    """Whether it has been well since this supervisor began."""
    problem: str
    """What went wrong last; stays when it is well again."""


class Status(BaseModel):
    """A mesh."""

    model_config = ConfigDict(frozen=True)

    pid: int
    """The supervisor's."""
    stopping: bool
    programs: dict[str, ProgramStatus]

    @classmethod
    def read(cls, home: Home) -> Status | None:
        """The last word of a home's supervisor, which may have ended since; None if there never was one."""
        try:
            return cls.model_validate_json(home.status.read_bytes())
        except FileNotFoundError:
            return None

    def write(self, home: Home) -> None:
        """Tells it."""
        write_atomically(home.status, self.model_dump_json(indent=1).encode(), durable=False)

    @property
    def healthy(self) -> bool:
        """Whether all programs are well."""
        return not self.stopping and all(one.state is State.HEALTHY for one in self.programs.values())

    @property
    def recorded(self) -> dict[int, int]:
        """Start ticks by pid of every program that ran."""
        return {one.pid: one.start_ticks for one in self.programs.values() if one.pid}

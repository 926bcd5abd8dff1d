"""What was done to a mesh's releases, by whom, and when: lines that are only ever added."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from services.detection.releases.document import PlanDocument, ReleaseName
from services.detection.releases.loading import BadRelease

SWITCH, ROLLBACK = "switch", "rollback"


class Entry(BaseModel):
    """One line."""

    model_config = ConfigDict(frozen=True)

    time: AwareDatetime
    who: str
    what: str
    """The command: `switch`, `rollback`, `canary`, `shadow` …"""
    before: ReleaseName
    """What was live."""
    plan: PlanDocument
    """What held from then on."""


class History:
    """In one file. Not for two writers at once: commands hold a lock."""

    def __init__(self, path: Path) -> None:
        """The file need not exist."""
        self.path = path

    def add(self, who: str, what: str, *, before: str, plan: PlanDocument) -> Entry:
        """Durable when it returns."""
        entry = Entry(time=datetime.now(UTC), who=who, what=what, before=before, plan=plan)
        line = json.dumps(entry.model_dump(mode="json", exclude_defaults=True)) + "\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        return entry

    def entries(self) -> list[Entry]:
        """Oldest first. Raises BadRelease for a line that nobody of us has written."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return [self._entry(number, line) for number, line in enumerate(lines, 1)]

    def _entry(self, number: int, line: str) -> Entry:
        try:
            fields: dict[str, Any] = json.loads(line)
            return Entry.model_validate(fields)
        except (ValueError, ValidationError) as error:
            raise BadRelease(
                f"{self.path}: line {number} is no entry; move the file away to begin a new one"
            ) from error


def release_before(entries: Sequence[Entry]) -> str:
    """What to roll back to: what was live before the last switch that was not rolled back. Empty if there is nothing."""
    stack: list[str] = []
    for entry in entries:
        if entry.what == SWITCH:
            stack.append(entry.before)
        elif entry.what == ROLLBACK and stack:
            stack.pop()
    return stack[-1] if stack else ""

"""All lists of a folder: what holds for everybody, and what each tenant adds and allows."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from services.detection.terms.document import TermList
from services.detection.terms.matcher import Hit, Matcher

Day = Callable[[], datetime.date]
EVERYBODY = ""


def today() -> datetime.date:
    """In UTC."""
    return datetime.datetime.now(datetime.UTC).date()


class Terms:
    """Finds what is on the lists."""

    def __init__(self, lists: Sequence[TermList], digest: str, *, day: Day = today) -> None:
        """`digest` stands for the content of all lists. Raises ValueError for a pattern that cannot be used."""
        self._day = day
        tenants = {one.tenant for one in lists} | {EVERYBODY}
        self._matchers = {tenant: Matcher([one for one in lists if one.tenant == tenant]) for tenant in tenants}
        self.version = digest
        self.tenants = frozenset(tenants - {EVERYBODY})
        """Those that have lists of their own."""

    @classmethod
    def load(cls, *folders: Path, day: Day = today) -> Terms:
        """Every `*.yaml` of some folders and below. Raises OSError, or ValueError, which names file and mistake."""
        lists, digest = [], hashlib.sha256()
        for path in (path for folder in folders for path in sorted(folder.rglob("*.yaml"))):
            content = path.read_bytes()
            digest.update(content + b"\0")
            try:
                lists.append(TermList.model_validate(yaml.safe_load(content)))
                Matcher(lists[-1:])
            except (ValueError, yaml.YAMLError) as error:
                message = f"{path}: {error}"
                raise ValueError(message) from error
        return cls(lists, digest.hexdigest()[:12], day=day)

    @property
    def version_now(self) -> str:
        """`version`, and the day: what is found may be other tomorrow."""
        return f"{self.version}@{self._day().toordinal()}"

    def find(self, text: str, tenant: str = EVERYBODY) -> list[Hit]:
        """What is found in a normalised text of a tenant's, in the order of the text."""
        everybody, own = self._matchers[EVERYBODY], self._matchers.get(tenant) if tenant else None
        day = self._day()
        hits = everybody.find(text, day)
        if own is not None:
            hits += own.find(text, day)
        if not hits:
            return hits
        allowed = [*everybody.allowed(text), *(own.allowed(text) if own is not None else ())]
        return sorted(hit for hit in hits if not any(start <= hit.start and hit.end <= end for start, end in allowed))

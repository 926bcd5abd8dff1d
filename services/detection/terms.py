"""Term lists: exact evidence with a place in the text."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import ahocorasick_rs
import yaml
from pydantic import BaseModel, ConfigDict, Field

from services.detection.normalise import normalise


class Entry(BaseModel):
    """Terms that mean the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    category: str
    terms: list[str] = Field(min_length=1)


class TermList(BaseModel):
    """A list as it stands in its file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    version: str
    entries: list[Entry]


class Hit(NamedTuple):
    """A term found in a normalised text."""

    start: int
    end: int
    category: str
    entry_id: str


class Terms:
    """All lists together, as one automaton: time does not grow with the number of terms."""

    def __init__(self, lists: list[TermList], version: str) -> None:
        """Terms are normalised as texts are."""
        pairs = [(normalise(term).text, entry) for one in lists for entry in one.entries for term in entry.terms]
        self.version = version
        self._entries = [entry for _, entry in pairs]
        self._lengths = [len(term) for term, _ in pairs]
        self._automaton = ahocorasick_rs.AhoCorasick(
            [term for term, _ in pairs], matchkind=ahocorasick_rs.MatchKind.LeftmostLongest
        )

    @classmethod
    def load(cls, folder: Path) -> Terms:
        """Every `*.yaml` of a folder. Raises OSError, yaml.YAMLError or pydantic.ValidationError."""
        paths = sorted(folder.glob("*.yaml"))
        digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:12]
        return cls([TermList.model_validate(yaml.safe_load(path.read_text())) for path in paths], digest)

    def find(self, text: str) -> list[Hit]:
        """Whole words only."""
        hits = []
        for number, start, end in self._automaton.find_matches_as_indexes(text):
            if (start == 0 or not text[start - 1].isalnum()) and (end == len(text) or not text[end].isalnum()):
                entry = self._entries[number]
                hits.append(Hit(start, end, entry.category, entry.id))
        return hits

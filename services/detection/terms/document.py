"""A term list as it stands in its file."""

from __future__ import annotations

import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.detection.terms.variants import Variant

Term = Annotated[str, Field(min_length=1, max_length=128)]
Pattern = Annotated[str, Field(min_length=1, max_length=512)]


class Entry(BaseModel):
    """Terms and patterns that mean the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=64)
    category: str = Field(min_length=1, max_length=64)
    terms: tuple[Term, ...] = Field(default=(), max_length=50_000)
    """Whole words, or several; `word*` is any word that begins so. Disguises are undone in them as in texts."""
    variants: frozenset[Variant] = frozenset()
    """Other ways of writing the terms that count too."""
    patterns: tuple[Pattern, ...] = Field(default=(), max_length=500)
    """Regular expressions in RE2's syntax, on the text without its disguise. RE2 takes time in proportion to the text, whatever
    the pattern, and knows no look-around and no back-references."""
    starts: datetime.date | None = None
    """The first day (UTC) on which it counts."""
    ends: datetime.date | None = None
    """The first day on which it counts no more."""

    @model_validator(mode="after")
    def _has_something(self) -> Self:
        if not self.terms and not self.patterns:
            message = f"entry {self.id}: needs terms or patterns"
            raise ValueError(message)
        if self.variants and not self.terms:
            message = (
                f"entry {self.id}: `variants` are of terms, and there are none; a pattern says by itself what it finds"
            )
            raise ValueError(message)
        if self.starts and self.ends and self.starts >= self.ends:
            message = f"entry {self.id}: ends on {self.ends}, before it starts"
            raise ValueError(message)
        return self

    def counts_on(self, day: datetime.date) -> bool:
        """Whether its time is."""
        return (self.starts is None or self.starts <= day) and (self.ends is None or day < self.ends)


class TermList(BaseModel):
    """One file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=64)
    version: str = Field(min_length=1, max_length=32)
    tenant: str = ""
    """Whose it is; empty for everybody's."""
    entries: tuple[Entry, ...] = Field(default=(), max_length=10_000)
    allow: tuple[Term, ...] = Field(default=(), max_length=50_000)
    """Terms in which nothing is found: names, places, words that this community has made its own. A tenant's list allows what
    everybody's finds, too."""

"""Finds the entries of some lists in a text: one automaton for all terms, one set for all patterns, so that time does not grow
with their number."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import NamedTuple

import ahocorasick_rs
import re2

from services.detection.normalise import normalise
from services.detection.terms.document import Entry, TermList
from services.detection.terms.variants import pattern_of

_BEGINS = "*"
_MOST_HITS = 64
"""A text that is nothing but terms needs no more to be judged and masked, and a record has its bound."""
_ONE_BYTES, _ALL_BYTES = 2 << 20, 64 << 20
"""What one pattern, and all of a tenant's, may take, compiled and for what RE2 remembers. It refuses what is larger."""
_SPACES_BEFORE, _LATIN_AGAIN = "\u0e00", ("\u1e00", "\u1fff")


class Hit(NamedTuple):
    """An entry found in a normalised text."""

    start: int
    end: int
    category: str
    entry_id: str


class Matcher:
    """Of one tenant's lists, or everybody's."""

    def __init__(self, lists: Sequence[TermList]) -> None:
        """Raises ValueError, which names the entry, for a pattern that RE2 does not know."""
        entries = [entry for one in lists for entry in one.entries]
        self._terms = _Terms([(term, entry) for entry in entries if not entry.variants for term in entry.terms])
        self._patterns = _Patterns([(pattern, entry) for entry in entries for pattern in entry.patterns], whole=False)
        varied = [(_varied(term, entry), entry) for entry in entries if entry.variants for term in entry.terms]
        self._varied = _Patterns(varied, whole=True)
        self._allowed = _Terms([(term, None) for one in lists for term in one.allow])

    def find(self, text: str, day: datetime.date) -> list[Hit]:
        """What counts on that day."""
        found = [*self._terms.find(text), *self._varied.find(text), *self._patterns.find(text)]
        return [
            Hit(start, end, entry.category, entry.id)
            for start, end, entry in found
            if entry is not None and entry.counts_on(day)
        ]

    def allowed(self, text: str) -> list[tuple[int, int]]:
        """The places in which nothing is to be found."""
        return [(start, end) for start, end, _ in self._allowed.find(text)]


Found = tuple[int, int, Entry | None]


class _Terms:
    def __init__(self, terms: Sequence[tuple[str, Entry | None]]) -> None:
        self._entries = [entry for _, entry in terms]
        self._begins = [term.endswith(_BEGINS) for term, _ in terms]
        self._automaton = ahocorasick_rs.AhoCorasick(
            [normalise(term.removesuffix(_BEGINS)).text for term, _ in terms],
            matchkind=ahocorasick_rs.MatchKind.LeftmostLongest,
        )

    def find(self, text: str) -> list[Found]:
        if not self._entries:
            return []
        found: list[Found] = []
        for number, start, end in self._automaton.find_matches_as_indexes(text):
            whole = end
            while self._begins[number] and whole < len(text) and text[whole].isalnum():
                whole += 1
            if not _inside(text, start) and not _inside(text, whole):
                found.append((start, whole, self._entries[number]))
                if len(found) == _MOST_HITS:
                    break
        return found


class _Patterns:
    def __init__(self, patterns: Sequence[tuple[str, Entry]], *, whole: bool) -> None:
        """`whole`: only whole words count."""
        self._entries = [entry for _, entry in patterns]
        self._whole = whole
        self._programs = [_compiled(pattern, entry, _options(_ONE_BYTES)) for pattern, entry in patterns]
        self._set = re2.Set.SearchSet(_options(_ALL_BYTES))
        for pattern, _ in patterns:
            self._set.Add(pattern)
        if patterns:
            try:
                self._set.Compile()
            except re2.error:
                raise ValueError(
                    f"all {len(patterns)} patterns and variants together are too large; split or drop some"
                ) from None

    def find(self, text: str) -> list[Found]:
        if not self._entries:
            return []
        found: list[Found] = []
        for number in self._set.Match(text) or ():
            for match in self._programs[number].finditer(text):
                start, end = match.span()
                if start < end and not (self._whole and (_inside(text, start) or _inside(text, end))):
                    found.append((start, end, self._entries[number]))
                if len(found) == _MOST_HITS:
                    return found
        return found


def _options(most_bytes: int) -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = most_bytes
    return options


def _varied(term: str, entry: Entry) -> str:
    # Normalised without the mark of its beginning, which normalising might take for a disguise.
    plain = normalise(term.removesuffix(_BEGINS)).text
    return pattern_of(plain + (_BEGINS if term.endswith(_BEGINS) else ""), entry.variants)


def _compiled(pattern: str, entry: Entry, options: re2.Options) -> re2._Regexp:
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
        message = f"entry {entry.id}: pattern {pattern!r}: {reason}"
        raise ValueError(message) from None


def _inside(text: str, position: int) -> bool:
    """Whether a word goes on across `position`. Scripts that put no spaces between words have no such thing."""
    if not 0 < position < len(text):
        return False
    before, after = text[position - 1], text[position]
    return before.isalnum() and after.isalnum() and _spaced(before) and _spaced(after)


def _spaced(character: str) -> bool:
    return character < _SPACES_BEFORE or _LATIN_AGAIN[0] <= character <= _LATIN_AGAIN[1]

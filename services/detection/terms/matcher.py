"""Finds the entries of some lists in a text: one automaton for all terms, one set for all patterns, so that time does not grow
with their number."""

from __future__ import annotations

import datetime
from collections import defaultdict
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
        """What counts on that day; a term within another counts too."""
        found = [*self._terms.find(text, day), *self._varied.find(text, day), *self._patterns.find(text, day)]
        return [Hit(start, end, entry.category, entry.id) for start, end, entry in found if entry is not None]

    def allowed(self, text: str) -> list[tuple[int, int]]:
        """The places in which nothing is to be found."""
        return [(start, end) for start, end, _ in self._allowed.find(text, datetime.date.min)]


Found = tuple[int, int, Entry | None]


class _Terms:
    def __init__(self, terms: Sequence[tuple[str, Entry | None]]) -> None:
        by_text: defaultdict[str, list[tuple[bool, Entry | None]]] = defaultdict(list)
        for term, entry in terms:
            begins = term.endswith(_BEGINS)
            by_text[_plain(term, entry)].append((begins, entry))
        self._terms = list(by_text.values())
        # All matches, overlapping ones too: a longer term that is no whole word here, or does not count today, hides no other.
        self._automaton = ahocorasick_rs.AhoCorasick(list(by_text), matchkind=ahocorasick_rs.MatchKind.Standard)

    def find(self, text: str, day: datetime.date) -> list[Found]:
        if not self._terms:
            return []
        found: list[Found] = []
        for number, start, end in self._automaton.find_matches_as_indexes(text, overlapping=True):
            if _inside(text, start):
                continue
            for begins, entry in self._terms[number]:
                whole = _end_of_word(text, end) if begins else end
                if not _inside(text, whole) and (entry is None or entry.counts_on(day)):
                    found.append((start, whole, entry))
                    if len(found) == _MOST_HITS:
                        return found
        return found


def _end_of_word(text: str, position: int) -> int:
    while position < len(text) and text[position].isalnum():
        position += 1
    return position


def _plain(term: str, entry: Entry | None) -> str:
    # Without the mark of its beginning, which normalising might take for a disguise.
    plain = normalise(term.removesuffix(_BEGINS)).text
    if not plain.strip():
        where = "allow" if entry is None else f"entry {entry.id}"
        raise ValueError(f"{where}: term {term!r} is nothing that could be found in a text")
    return plain


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

    def find(self, text: str, day: datetime.date) -> list[Found]:
        if not self._entries:
            return []
        found: list[Found] = []
        for number in self._set.Match(text) or ():
            if not self._entries[number].counts_on(day):
                continue
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
    return pattern_of(_plain(term, entry) + (_BEGINS if term.endswith(_BEGINS) else ""), entry.variants)


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

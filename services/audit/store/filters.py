"""The part of AIP-160 that lists need: comparisons, AND, OR (which binds tighter), NOT, parentheses, `:` for "has".

outcome = "DROP" AND (severity >= 3 OR category = "violence.threat") AND NOT surface = "username"
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, NoReturn

from sqlalchemy import ARRAY, ColumnElement, DateTime, Integer, and_, not_, or_

from services.runtime.errors import InvalidRequest

_MAX_DEPTH = 8
_MAX_TERMS = 32
_COMPARISONS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TOKEN = re.compile(
    r"\s*(?:(?P<text>\"(?:[^\"\\]|\\.)*\")|(?P<comparison>!=|<=|>=|=|<|>|:)|(?P<bracket>[()])|(?P<word>[^\s()=!<>:\"]+))"
)


@dataclass(frozen=True, slots=True)
class Filterable:
    """A column that filters may name."""

    column: ColumnElement[Any]

    def compare(self, comparison: str, value: str) -> ColumnElement[bool]:
        """Raises ValueError with a sentence when the comparison or the value does not fit the column."""
        kind = self.column.type
        if isinstance(kind, ARRAY):
            if comparison != ":":
                raise ValueError("is a list; use `:`")
            found: ColumnElement[bool] = self.column.any(value)
            return found
        if comparison == ":":
            return _COMPARISONS["="](self.column, self._value(value))
        if not isinstance(kind, (Integer, DateTime)) and comparison not in ("=", "!="):
            raise ValueError("is text; use = or !=")
        return _COMPARISONS[comparison](self.column, self._value(value))

    def _value(self, value: str) -> object:
        if isinstance(self.column.type, Integer):
            if not re.fullmatch(r"-?\d{1,9}", value):
                raise ValueError("needs a whole number")
            return int(value)
        if isinstance(self.column.type, DateTime):
            try:
                parsed = datetime.fromisoformat(value)
            except ValueError:
                raise ValueError('needs a time as "2026-11-01T00:00:00Z"') from None
            if parsed.tzinfo is None:
                raise ValueError('needs a time with its zone, as "2026-11-01T00:00:00Z"')
            return parsed
        if "\0" in value:
            raise ValueError("cannot have a NUL character")
        return value


def compile_filter(source: str, fields: Mapping[str, Filterable]) -> ColumnElement[bool]:
    """An expression for a WHERE clause. Raises InvalidRequest that names the position."""
    return _Parser(source, fields).parse()


class _Token(NamedTuple):
    kind: str
    text: str
    position: int


class _Parser:
    def __init__(self, source: str, fields: Mapping[str, Filterable]) -> None:
        self._source = source
        self._fields = fields
        self._tokens = self._scan(source)
        self._next = 0
        self._terms = 0

    def parse(self) -> ColumnElement[bool]:
        found = self._conjunction(0)
        if self._peek().kind != "end":
            self._fail(f"unexpected {self._peek().text!r}")
        return found

    def _conjunction(self, depth: int) -> ColumnElement[bool]:
        if depth > _MAX_DEPTH:
            self._fail(f"is nested deeper than {_MAX_DEPTH}")
        parts = [self._disjunction(depth)]
        while self._peek().kind != "end" and self._peek().text != ")":
            # Two terms side by side mean AND (AIP-160's sequence).
            self._accept("AND")
            parts.append(self._disjunction(depth))
        return and_(*parts)

    def _disjunction(self, depth: int) -> ColumnElement[bool]:
        parts = [self._term(depth)]
        while self._accept("OR"):
            parts.append(self._term(depth))
        return or_(*parts)

    def _term(self, depth: int) -> ColumnElement[bool]:
        if self._accept("NOT"):
            return not_(self._simple(depth))
        return self._simple(depth)

    def _simple(self, depth: int) -> ColumnElement[bool]:
        if self._accept("("):
            inside = self._conjunction(depth + 1)
            if not self._accept(")"):
                self._fail("a closing parenthesis is missing")
            return inside
        self._terms += 1
        if self._terms > _MAX_TERMS:
            self._fail(f"has more than {_MAX_TERMS} comparisons")
        return self._comparison()

    def _comparison(self) -> ColumnElement[bool]:
        name = self._take("word", "a field's name")
        negated = name.text.startswith("-")
        field = self._fields.get(name.text.removeprefix("-"))
        if field is None:
            self._fail(f"{name.text!r} cannot be filtered by; there are {', '.join(sorted(self._fields))}", name)
        comparison = self._take("comparison", "a comparison")
        value = self._peek()
        if value.kind not in ("text", "word"):
            self._fail("a value is missing")
        self._next += 1
        text = re.sub(r"\\(.)", r"\1", value.text[1:-1]) if value.kind == "text" else value.text
        try:
            found = field.compare(comparison.text, text)
        except ValueError as error:
            self._fail(f"{name.text} {error}", name)
        return not_(found) if negated else found

    def _accept(self, text: str) -> bool:
        token = self._peek()
        if token.kind in ("word", "bracket") and token.text == text:
            self._next += 1
            return True
        return False

    def _take(self, kind: str, what: str) -> _Token:
        token = self._peek()
        if token.kind != kind:
            self._fail(f"{what} is missing")
        self._next += 1
        return token

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _scan(self, source: str) -> list[_Token]:
        tokens: list[_Token] = []
        at = 0
        while source[at:].strip():
            match = _TOKEN.match(source, at)
            if match is None or match.lastgroup is None:
                self._refuse(f"cannot be read from character {at + 1} on")
            tokens.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
            at = match.end()
        return [*tokens, _Token("end", "", len(source))]

    def _fail(self, what: str, token: _Token | None = None) -> NoReturn:
        self._refuse(f"{what} (at character {(token or self._peek()).position + 1})")

    def _refuse(self, what: str) -> NoReturn:
        raise InvalidRequest.field("filter", what, reason="BAD_FILTER")

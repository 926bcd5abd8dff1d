"""Entries of a hash bank as they stand in a file, CSV or JSON. What is wrong is named with its line."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from services.detection.images.banks.categories import BANK_CATEGORIES
from services.detection.images.banks.index import HASH_BYTES

COLUMNS = ("id", "pdq", "category", "expires", "negative")
_NEEDED = frozenset(("id", "pdq"))
_ID = re.compile(r"[\w.:/-]{1,128}")
_HEX_DIGITS = 2 * HASH_BYTES
_TRUTH = {"": False, "false": False, "0": False, "no": False, "true": True, "1": True, "yes": True}
_MOST_MISTAKES = 20


class BadBank(ValueError):
    """A bank that cannot be used; the message names file, lines and mistakes."""


class Entry(NamedTuple):
    """A picture that is known."""

    id: str
    pdq: bytes
    """32 bytes."""
    category: str
    """Empty only for negative entries, which then speak against all."""
    expires: float | None
    """When it stops counting, in seconds since the Unix epoch; None is never."""
    negative: bool
    """It says what such a picture is not."""


def read_csv(lines: Iterable[str], name: str) -> Iterator[Entry]:
    """Entries of a CSV file with a header, line by line: a million of them are 100 MB. `name` is what mistakes are said to be
    in. Raises BadBank, at the end for all lines that are wrong (the first twenty are named)."""
    rows = csv.DictReader(lines, strict=True)
    columns = set(rows.fieldnames or ())
    if not _NEEDED <= columns <= set(COLUMNS):
        raise BadBank(f"{name}:1: the header must have id and pdq, and may have category, expires and negative")
    return _entries(_numbered(rows, name), name)


def read_json(text: str, name: str) -> Iterator[Entry]:
    """The same of a JSON list of objects, or of an object with such a list as `entries`. Mistakes are named with the entry's
    number, from 1."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise BadBank(f"{name}: no JSON: {error}") from None
    rows = document.get("entries") if isinstance(document, dict) else document
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadBank(f'{name}: must be a list of objects, or {{"entries": [...]}}')
    return _entries(enumerate(rows, start=1), name)


def write_csv(entries: Iterable[Entry]) -> str:
    """What `read_csv` reads."""
    text = io.StringIO()
    rows = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    rows.writeheader()
    rows.writerows(_row(entry) for entry in entries)
    return text.getvalue()


def write_json(entries: Iterable[Entry]) -> str:
    """What `read_json` reads."""
    return json.dumps({"entries": [_row(entry) for entry in entries]}, indent=1) + "\n"


def _numbered(rows: csv.DictReader[str], name: str) -> Iterator[tuple[int, Mapping[str | None, Any]]]:
    try:
        for row in rows:
            yield rows.line_num, row
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadBank(f"{name}:{rows.line_num}: {error}") from None


def _entries(rows: Iterable[tuple[int, Mapping[Any, Any]]], name: str) -> Iterator[Entry]:
    mistakes = []
    count = 0
    for number, row in rows:
        try:
            yield _entry(row)
        except ValueError as error:
            count += 1
            if count <= _MOST_MISTAKES:
                mistakes.append(f"{name}:{number}: {error}")
    if count > _MOST_MISTAKES:
        mistakes.append(f"{name}: {count - _MOST_MISTAKES} more lines are wrong")
    if mistakes:
        raise BadBank("\n".join(mistakes))


def _entry(row: Mapping[Any, Any]) -> Entry:
    """Raises ValueError that says what is wrong."""
    unknown = [key for key in row if key not in COLUMNS]
    if unknown:
        raise ValueError("more cells than the header has" if None in unknown else f"{unknown[0]!r} is no column")
    cells = {column: _text(row.get(column)) for column in COLUMNS}
    if not _ID.fullmatch(cells["id"]):
        raise ValueError(f"id {cells['id']!r}: 1 to 128 letters, digits and . _ : / -")
    try:
        hashed = bytes.fromhex(cells["pdq"])
    except ValueError:
        hashed = b""
    if len(hashed) != HASH_BYTES or len(cells["pdq"]) != _HEX_DIGITS:
        raise ValueError(f"pdq {cells['pdq'][:80]!r}: {_HEX_DIGITS} hexadecimal digits are a hash")
    negative = _TRUTH.get(cells["negative"].lower())
    if negative is None:
        raise ValueError(f"negative {cells['negative']!r}: true or false")
    category = cells["category"]
    if category not in BANK_CATEGORIES and not (negative and not category):
        raise ValueError(f"category {category!r}: one of {', '.join(sorted(BANK_CATEGORIES))}")
    return Entry(cells["id"], hashed, category, _moment(cells["expires"]), negative)


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return str(cell).strip()


def _moment(text: str) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"expires {text!r}: a time like 2027-01-31 or 2027-01-31T12:00:00Z") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _row(entry: Entry) -> dict[str, str]:
    return {
        "id": entry.id,
        "pdq": entry.pdq.hex(),
        "category": entry.category,
        "expires": "" if entry.expires is None else datetime.fromtimestamp(entry.expires, UTC).isoformat(),
        "negative": "true" if entry.negative else "false",
    }

"""Checks messages against the rules in their protos (protovalidate), naming each field, its limit and what to do."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

import protovalidate

from services.runtime.errors import FieldViolation, InvalidRequest

if TYPE_CHECKING:
    from google.protobuf.message import Message

_VALIDATOR = protovalidate.Validator()
_ITEM_PATH = re.compile(r"^(?P<list>\w+)\[(?P<index>\d+)\]\.?(?P<rest>.*)$")


def check(message: Message) -> None:
    """Raises InvalidRequest naming every field that breaks a rule."""
    found = _violations(message)
    if found:
        raise _error(found)


def check_list(message: Message, list_field: str) -> dict[int, InvalidRequest]:
    """Checks a list request: what is wrong with one item is that item's error alone.

    Returns the errors by item index. Raises InvalidRequest for what is wrong with the request itself, such as a list
    over its limit.
    """
    own: list[FieldViolation] = []
    of_items: dict[int, list[FieldViolation]] = defaultdict(list)
    for violation in _violations(message):
        match = _ITEM_PATH.match(violation.field)
        if match and match["list"] == list_field:
            of_items[int(match["index"])].append(FieldViolation(match["rest"] or list_field, violation.description))
        else:
            own.append(violation)
    if own:
        raise _error(own)
    return {index: _error(found) for index, found in of_items.items()}


def _violations(message: Message) -> list[FieldViolation]:
    return [
        FieldViolation(_path(violation.proto.field), violation.proto.message)
        for violation in _VALIDATOR.collect_violations(message)
    ]


def _error(found: list[FieldViolation]) -> InvalidRequest:
    return InvalidRequest("; ".join(f"{v.field}: {v.description}" for v in found), *found)


def _path(path: object) -> str:
    parts: list[str] = []
    for element in getattr(path, "elements", ()):
        subscript = getattr(element, "subscript", None)
        name = element.field_name
        if subscript is not None and subscript.field == "index":
            name = f"{name}[{subscript.value}]"
        elif subscript is not None:
            name = f"{name}[…]"
        parts.append(name)
    return ".".join(parts) or "request"

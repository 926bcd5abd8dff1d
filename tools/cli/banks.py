"""`moat banks import|export|list|set|hash`: hash banks, as the mesh reads them. A running mesh has a change within seconds."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from services.detection.images.banks.entries import BadBank, Entry, read_csv, read_json, write_csv, write_json
from services.detection.images.banks.folder import Bank, BankFiles, BankName, banks_in
from services.detection.images.decode import decode
from services.detection.settings import DetectionSettings
from services.detection.worker import Refused
from tools.cli.failure import Failure
from tools.launcher.home import Home

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

_PIXELS = DetectionSettings().image_pixels


def register(commands: Commands) -> None:
    """Adds the subcommands."""
    banks = commands.add_parser("banks", help="hash banks of known pictures")
    banks.add_argument("--folder", type=Path, help="where they are (default: those of the local mesh)")
    actions = banks.add_subparsers(metavar="ACTION", required=True)
    bring = actions.add_parser("import", help="make or replace a bank from a CSV or JSON file")
    bring.add_argument("bank")
    bring.add_argument("file", type=Path)
    _add_about(bring)
    bring.set_defaults(run=_import)
    take = actions.add_parser("export", help="write a bank to stdout")
    take.add_argument("bank")
    take.add_argument("--format", choices=["csv", "json"], default="csv")
    take.set_defaults(run=_export)
    change = actions.add_parser("set", help="change what a bank counts for, not its entries")
    change.add_argument("bank")
    _add_about(change)
    change.set_defaults(run=_set)
    actions.add_parser("list", help="the banks and what they count for").set_defaults(run=_list)
    pdq = actions.add_parser("hash", help="PDQ hash and quality of pictures, to make entries of")
    pdq.add_argument("file", type=Path, nargs="+")
    pdq.set_defaults(run=_hash)


def _add_about(command: argparse.ArgumentParser) -> None:
    boolean = argparse.BooleanOptionalAction
    command.add_argument("--tenant", help="whose it is; '' for all")
    command.add_argument("--on", action=boolean, default=None, help="whether it counts")
    command.add_argument("--percent", type=float, help="of items that it is asked about")
    command.add_argument("--seed", help="another one chooses other items")
    command.add_argument("--distance", type=int, help="bits in which hashes may differ, 0 to 31")
    command.add_argument("--negative", action=boolean, default=None, help="its entries say what a picture is not")


def _import(arguments: argparse.Namespace) -> int:
    files = _files(arguments)
    try:
        about = _about(files.about() if files.exists else Bank(), arguments)
        entries = _without_repeats(_read(arguments.file), str(arguments.file))
    except (OSError, UnicodeDecodeError, BadBank, ValidationError) as error:
        raise Failure(str(error)) from None
    files.write(about, entries)
    sys.stdout.write(f"{arguments.bank}: {len(entries)} entries\n")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    write = write_json if arguments.format == "json" else write_csv
    try:
        sys.stdout.write(write(_existing(arguments).entries()))
    except BadBank as error:
        raise Failure(str(error)) from None
    return 0


def _set(arguments: argparse.Namespace) -> int:
    files = _existing(arguments)
    try:
        files.describe(_about(files.about(), arguments))
    except (BadBank, ValidationError) as error:
        raise Failure(str(error)) from None
    return 0


def _list(arguments: argparse.Namespace) -> int:
    try:
        for files in banks_in([_folder(arguments)]):
            about, entries = files.about(), list(files.entries())
            old = sum(entry.expires is not None and entry.expires <= time.time() for entry in entries)
            kind = "negative" if about.negative else "positive"
            sys.stdout.write(
                f"{files.name:24} {'on' if about.on else 'off':3} {about.percent:5.1f} %  distance {about.distance:2}  {kind}  "
                f"{about.tenant or 'all tenants'}  {len(entries)} entries, {old} expired\n"
            )
    except BadBank as error:
        raise Failure(str(error)) from None
    return 0


def _hash(arguments: argparse.Namespace) -> int:
    for path in arguments.file:
        try:
            found = decode(path.read_bytes(), most_pixels=_PIXELS).pdq
        except (OSError, Refused) as error:
            raise Failure(f"{path}: {error}") from None
        sys.stdout.write(f"{found.hash.hex()} {found.quality:3} {path}\n")
    return 0


def _read(path: Path) -> list[Entry]:
    """Raises OSError, UnicodeDecodeError, BadBank."""
    if path.suffix.lower() == ".json":
        return list(read_json(path.read_text(encoding="utf-8"), str(path)))
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(read_csv(lines, str(path)))


def _folder(arguments: argparse.Namespace) -> Path:
    folder: Path = arguments.folder or Home.default().data / "detection" / "banks"
    return folder


def _files(arguments: argparse.Namespace) -> BankFiles:
    try:
        name = TypeAdapter(BankName).validate_python(arguments.bank)
    except ValidationError:
        raise Failure(f"{arguments.bank!r}: a bank's name has small letters, digits, _ and -") from None
    return BankFiles(_folder(arguments), name)


def _existing(arguments: argparse.Namespace) -> BankFiles:
    files = _files(arguments)
    if not files.exists:
        raise Failure(f"there is no bank {arguments.bank!r} in {_folder(arguments)}")
    return files


def _about(now: Bank, arguments: argparse.Namespace) -> Bank:
    """What it was, with what was asked for. Raises ValidationError."""
    asked: dict[str, Any] = {field: getattr(arguments, field) for field in Bank.model_fields}
    changed = {field: value for field, value in asked.items() if value is not None}
    return Bank.model_validate(now.model_dump() | changed)


def _without_repeats(entries: list[Entry], name: str) -> list[Entry]:
    """Raises BadBank for an id that comes twice: nobody could say which of the two matched."""
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            raise BadBank(f"{name}: id {entry.id!r} comes twice")
        seen.add(entry.id)
    return entries

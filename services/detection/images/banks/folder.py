"""Banks as files: `NAME.yaml` says what a bank is and whether it counts, `NAME.csv` holds its entries."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.detection.images.banks.entries import BadBank, Entry, read_csv, write_csv
from services.detection.images.pdq import MOST_DISTANT

BankName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Signature = tuple[tuple[str, int, int], ...]
"""Path, time and size of each file: it changes when any bank does."""


class Bank(BaseModel):
    """What stands in `NAME.yaml`. Every field may be left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: str = Field(default="", max_length=64)
    """Whose it is; empty for a bank that all tenants share."""
    on: bool = True
    """Off, nothing matches it."""
    percent: float = Field(default=100, ge=0, le=100)
    """Of items that it is asked about: for trying a bank out. The same item always is, or never."""
    seed: str = Field(default="", max_length=64)
    """Another seed chooses other items."""
    distance: int = Field(default=MOST_DISTANT, ge=0, le=MOST_DISTANT)
    """Bits in which a picture's hash may differ from an entry's."""
    negative: bool = False
    """All of its entries say what a picture is not: matches of their category elsewhere do not count."""


class BankFiles:
    """One bank in one folder."""

    def __init__(self, folder: Path, name: str) -> None:
        """The files need not exist."""
        self.name = name
        self._about = folder / f"{name}.yaml"
        self._entries = folder / f"{name}.csv"

    @property
    def exists(self) -> bool:
        """Whether there is such a bank."""
        return self._entries.exists()

    def about(self) -> Bank:
        """What it is. Raises BadBank."""
        try:
            return Bank.model_validate(_named(yaml.safe_load(self._about.read_bytes()) or {}))
        except FileNotFoundError:
            return Bank()
        except (OSError, yaml.YAMLError, ValidationError) as error:
            raise BadBank(f"{self._about}: {error}") from None

    def entries(self) -> Iterator[Entry]:
        """Its entries. Raises BadBank."""
        try:
            with self._entries.open(encoding="utf-8", newline="") as lines:
                yield from read_csv(lines, str(self._entries))
        except (OSError, UnicodeDecodeError) as error:
            raise BadBank(f"{self._entries}: {error}") from None

    def digest(self) -> bytes:
        """Of all that it is."""
        whole = hashlib.sha256(self._about.read_bytes() if self._about.exists() else b"")
        with self._entries.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
        return whole.digest()

    def write(self, about: Bank, entries: Iterable[Entry]) -> None:
        """Replaces it; whoever reads meanwhile sees the old entries or the new ones, whole."""
        self._entries.parent.mkdir(parents=True, exist_ok=True)
        self.describe(about)
        _replace(self._entries, write_csv(entries))

    def describe(self, about: Bank) -> None:
        """Replaces what is said about it."""
        _replace(self._about, yaml.safe_dump(about.model_dump(exclude_defaults=True), sort_keys=False))


def banks_in(folders: Sequence[Path]) -> list[BankFiles]:
    """All banks of some folders, by name. Raises BadBank for a name that two folders have, or that is none."""
    found: dict[str, BankFiles] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.csv")):
            if path.stem in found:
                raise BadBank(f"{path}: there is a bank {path.stem!r} already; rename one")
            found[path.stem] = BankFiles(folder, path.stem)
    return [found[name] for name in sorted(found)]


def signature(folders: Sequence[Path]) -> Signature:
    """Costs a `stat` a file."""
    seen = []
    for folder in folders:
        for path in sorted((*folder.glob("*.csv"), *folder.glob("*.yaml"))):
            try:
                about = path.stat()
            except FileNotFoundError:
                continue
            seen.append((str(path), about.st_mtime_ns, about.st_size))
    return tuple(seen)


def _named(about: object) -> object:
    """YAML reads a bare `on` as a boolean, and people write `on: false`."""
    if not isinstance(about, dict):
        return about
    return {"on" if key is True else key: value for key, value in about.items()}


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    new.replace(path)

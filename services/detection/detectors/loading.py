"""Reads the files of a folder of detectors, and checks them against the registry. Pure: nothing is opened or asked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from services.detection.detectors.document import DetectorDocument
from services.detection.detectors.port import Detector, DetectorSettings, Kind

_MOST_TEXT = 256 * 1024


class BadDetector(ValueError):
    """A detector's file that cannot be used; the message names the file, the field and what to do."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file that has been read and holds."""

    path: Path
    detector: Detector
    document: DetectorDocument
    settings: DetectorSettings
    texts: Mapping[Path, str]
    digest: str
    """Of all of it: the same, and nothing has changed."""

    @property
    def version(self) -> str:
        """The detector's own and that of its file: as findings and records name it."""
        return f"{self.detector.card.version}+{self.digest[:8]}"

    @property
    def kinds(self) -> frozenset[Kind]:
        """What it looks at."""
        return self.document.kinds or self.detector.card.kinds

    @property
    def categories(self) -> tuple[str, ...]:
        """What it may score."""
        return self.document.categories or tuple(sorted(self.detector.card.categories))


def load(registry: Mapping[str, Detector], *folders: Path) -> tuple[Prepared, ...]:
    """Every `*.yaml` of the folders and below, by name, those that are off too. Raises BadDetector."""
    found: dict[str, Prepared] = {}
    for path in (path for folder in folders for path in sorted(folder.rglob("*.yaml"))):
        prepared = _read(path, registry)
        if prepared.document.name in found:
            other = found[prepared.document.name].path
            raise BadDetector(f"{path}: name: {other} has the name {prepared.document.name!r} already")
        found[prepared.document.name] = prepared
    return tuple(found[name] for name in sorted(found))


def _read(path: Path, registry: Mapping[str, Detector]) -> Prepared:
    try:
        content = path.read_bytes()
        document = DetectorDocument.model_validate(_fields(yaml.safe_load(content)))
        detector = _detector(document, registry)
        settings = detector.card.settings.model_validate(document.settings)
        texts = {text: _text(path.parent / text, text) for text in settings.texts()}
        for secret in settings.secrets() if document.enabled else ():
            _check_secret(path.parent / secret, secret)
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise BadDetector(f"{path}: {_said(error)}") from error
    digest = hashlib.sha256(content)
    for text in texts.values():
        digest.update(b"\0" + text.encode())
    return Prepared(path, detector, document, settings, texts, digest.hexdigest())


def _fields(read: object) -> object:
    if isinstance(read, dict) and True in read:
        raise ValueError("`on` is no field (YAML takes it for `true`); what switches a detector on is `enabled`")
    return read


def _detector(document: DetectorDocument, registry: Mapping[str, Detector]) -> Detector:
    detector = registry.get(document.uses)
    if detector is None:
        raise ValueError(f"uses: there is no detector {document.uses!r}; there are {', '.join(sorted(registry))}")
    card = detector.card
    if not document.kinds <= card.kinds:
        raise ValueError(f"kinds: {card.name} looks at {_list(card.kinds)} only")
    if document.max_list > 1 and not card.lists:
        raise ValueError(f"max_list: {card.name} takes one content a call")
    if card.categories and not card.categories.issuperset(document.categories):
        raise ValueError(f"categories: {card.name} scores {_list(card.categories)} only")
    if not card.categories and not document.categories:
        raise ValueError(f"categories: {card.name} scores whatever its file says; name at least one")
    return detector


def _list(names: frozenset[str] | frozenset[Kind]) -> str:
    return ", ".join(sorted(names))


def _text(path: Path, name: Path) -> str:
    if path.stat().st_size > _MOST_TEXT:
        raise ValueError(f"{name}: is larger than {_MOST_TEXT} bytes")
    return path.read_text(encoding="utf-8")


def _check_secret(path: Path, name: Path) -> None:
    if not path.is_file() or not os.access(path, os.R_OK):
        raise ValueError(f"{name}: the secret cannot be read; it must be a file that the service may read")
    if not path.read_bytes().strip():
        raise ValueError(f"{name}: the secret is empty")


def _said(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    # Without what was in the fields: a secret may have been pasted into one.
    return "; ".join(
        f"{_field(one['loc'])}: {one['msg']}" for one in error.errors(include_input=False, include_url=False)
    )


def _field(location: Sequence[int | str]) -> str:
    return ".".join(map(str, location)) or "the file"

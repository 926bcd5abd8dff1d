"""Reads plans and releases, and holds files against the digests that a release names."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from services.detection.releases.document import PlanDocument, ReleaseDocument

DocumentT = TypeVar("DocumentT", bound=BaseModel)


class BadRelease(ValueError):
    """A plan or a release that cannot be used; the message names the file, the field and what to do."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie."""

    releases: Path
    """Documents, one a release."""
    deep_text: Path
    """The deep model's folder in Triton's repository: versions, and tokenizers."""
    fast_text: Path
    """The fast tier's versions."""


@dataclass(frozen=True, slots=True)
class Release:
    """One release that has been read."""

    document: ReleaseDocument
    places: Places

    @property
    def name(self) -> str:
        """`text-2`."""
        return self.document.name

    @property
    def deep_version(self) -> str:
        """At Triton."""
        return self.document.deep.version

    @property
    def model(self) -> Path:
        """The deep model's file. Only tools open it; in the mesh it is Triton's."""
        return self.places.deep_text / self.document.deep.version / "model.onnx"

    @property
    def tokenizer(self) -> Path:
        """Its file."""
        return self.places.deep_text / self.document.tokenizer.file

    @property
    def fast_text(self) -> Path:
        """The folder of `weights.npz` and `cascade.json`."""
        return self.places.fast_text / self.document.fast.version

    @property
    def digest(self) -> str:
        """Of all that it scores with: two releases of the same digest score alike."""
        parts = self.document
        of = f"{parts.deep.model}{parts.tokenizer.digest}{parts.fast.weights}{parts.fast.cascade}"
        return hashlib.sha256(of.encode()).hexdigest()[:12]

    def verify(self, *, with_model: bool = False) -> None:
        """Raises BadRelease if a file is not the one that was released. `with_model` reads the deep model too."""
        parts = self.document
        for path, wanted in (
            (self.tokenizer, parts.tokenizer.digest),
            (self.fast_text / "weights.npz", parts.fast.weights),
            (self.fast_text / "cascade.json", parts.fast.cascade),
            *([(self.model, parts.deep.model)] if with_model else []),
        ):
            if digest_of(path) != wanted:
                raise BadRelease(
                    f"{path}: is not what release {self.name} names ({wanted[:12]}…); bring the right file, or write the "
                    f"release anew with `moat releases make {self.name}`"
                )


@dataclass(frozen=True, slots=True)
class Plan:
    """Which releases run, all of them read."""

    document: PlanDocument
    releases: Mapping[str, Release]

    @property
    def live(self) -> Release:
        """What decides."""
        return self.releases[self.document.live]


def load_plan(paths: tuple[Path, ...], places: Places) -> Plan:
    """The plan of the first of `paths` that there is, and the releases that it names. Raises BadRelease."""
    path = next((one for one in paths if one.exists()), paths[-1])
    document = read_document(path, PlanDocument)
    try:
        return Plan(document, {name: load_release(places, name) for name in document.releases})
    except BadRelease as error:
        raise BadRelease(f"{path}: {error}") from error


def load_release(places: Places, name: str) -> Release:
    """Raises BadRelease."""
    path = places.releases / f"{name}.yaml"
    if not path.is_file():
        there = ", ".join(known_releases(places)) or "none"
        raise BadRelease(f"there is no release {name!r} in {places.releases}; there are: {there}")
    document = read_document(path, ReleaseDocument)
    if document.name != name:
        raise BadRelease(f"{path}: name: is {document.name!r}, the file's name says {name!r}; they must be the same")
    release = Release(document, places)
    release.verify()
    return release


def known_releases(places: Places) -> list[str]:
    """The names of those that have a file."""
    return sorted(path.stem for path in places.releases.glob("*.yaml"))


def digest_of(path: Path) -> str:
    """SHA-256 of a file. Raises BadRelease if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadRelease(f"{path}: {error.strerror}; a release needs it") from error


def read_document(path: Path, model: type[DocumentT]) -> DocumentT:
    """Raises BadRelease, which names the fields."""
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        said = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}"
            for one in error.errors(include_input=False, include_url=False)
        )
        raise BadRelease(f"{path}: {said}") from error
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadRelease(f"{path}: {error}") from error

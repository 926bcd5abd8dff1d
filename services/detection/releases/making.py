"""Writes a release's document from the files that belong to it."""

from __future__ import annotations

from pathlib import Path

import yaml

from services.detection.releases.document import Deep, Fast, ReleaseDocument, Tokenizer
from services.detection.releases.loading import Places, Release, digest_of, read_document


def make_release(places: Places, name: str, *, deep: str, fast: str, tokenizer: str = "tokenizer.json") -> Release:
    """Reads the files, writes `<name>.yaml`, and returns it. Raises BadRelease for a file that is missing, and
    pydantic.ValidationError for names that cannot be."""
    folder = places.fast_text / fast
    document = ReleaseDocument(
        name=name,
        deep=Deep(version=deep, model=digest_of(places.deep_text / deep / "model.onnx")),
        tokenizer=Tokenizer(file=tokenizer, digest=digest_of(places.deep_text / tokenizer)),
        fast=Fast(version=fast, weights=digest_of(folder / "weights.npz"), cascade=digest_of(folder / "cascade.json")),
        card=Path(f"../cards/releases/{name}.md"),
    )
    written = yaml.safe_dump(document.model_dump(mode="json"), sort_keys=False)
    (places.releases / f"{name}.yaml").write_text(written, encoding="utf-8")
    return Release(document, places)


def parts_of(places: Places, name: str) -> dict[str, str]:
    """What `make_release` was told when it wrote the document that is there; empty if none is. Raises BadRelease."""
    path = places.releases / f"{name}.yaml"
    if not path.is_file():
        return {}
    document = read_document(path, ReleaseDocument)
    return {"deep": document.deep.version, "fast": document.fast.version, "tokenizer": document.tokenizer.file}

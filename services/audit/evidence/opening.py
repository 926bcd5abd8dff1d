"""Chooses and opens the store that the settings name."""

from __future__ import annotations

from pathlib import Path

from services.audit.evidence.folder import FolderStore
from services.audit.evidence.object_store import ObjectStore
from services.audit.evidence.s3 import BucketStore
from services.audit.evidence.settings import EvidenceSettings


def open_store(settings: EvidenceSettings, folder: Path) -> ObjectStore:
    """A bucket if one is set, else `folder`. Raises OSError."""
    bucket = settings.bucket
    if bucket is None:
        return FolderStore(folder, max_bytes=settings.folder_max_bytes)
    return BucketStore(
        endpoint=bucket.endpoint,
        region=bucket.region,
        bucket=bucket.bucket,
        access_key_file=bucket.access_key_file,
        secret_key_file=bucket.secret_key_file,
        ca_file=bucket.ca_file,
        timeout_seconds=settings.timeout_seconds,
    )

"""The stores that the evidence store can stand on, and a database beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.audit.evidence.folder import FolderStore
from services.audit.evidence.object_store import ObjectStore
from services.audit.evidence.s3 import BucketStore
from tests.support.s3 import BUCKET, S3Server, running_s3

MAX_BYTES = 64 * 1024**2
STORES = pytest.mark.parametrize("store", ["folder", "s3"], indirect=True)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


def bucket_of(server: S3Server, **changed: object) -> BucketStore:
    """The server's bucket, as the service opens it."""
    settings: dict[str, object] = {
        "endpoint": server.endpoint,
        "region": "us-east-1",
        "bucket": BUCKET,
        "access_key_file": server.access_key_file,
        "secret_key_file": server.secret_key_file,
        "ca_file": None,
        "timeout_seconds": 10.0,
    }
    return BucketStore(**(settings | changed))  # type: ignore[arg-type]


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """A folder, unless a test asks for all `STORES`."""
    if getattr(request, "param", "folder") == "s3":
        return bucket_of(request.getfixturevalue("s3"))
    return FolderStore(tmp_path / "evidence", max_bytes=MAX_BYTES)

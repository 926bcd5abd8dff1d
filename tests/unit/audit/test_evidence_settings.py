"""What is said of a bucket that cannot be used as it is set."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.audit.evidence.opening import open_store
from services.audit.evidence.s3 import BucketStore
from services.audit.evidence.settings import Bucket, EvidenceSettings
from services.audit.settings import AuditSettings


def bucket(endpoint: str) -> Bucket:
    return Bucket(
        endpoint=endpoint, bucket="evidence", access_key_file=Path("access.key"), secret_key_file=Path("secret.key")
    )


@pytest.mark.parametrize(
    "endpoint",
    ["https://s3.eu-central-1.amazonaws.com", "https://store:9000", "http://127.0.0.1:9000", "http://localhost"],
)
def test_an_endpoint_that_is_encrypted_or_local_is_believed(endpoint: str) -> None:
    assert bucket(endpoint).endpoint == endpoint


@pytest.mark.parametrize("endpoint", ["http://store:9000", "http://10.0.0.1", "http://127.0.0.1.example"])
def test_plain_http_leaves_no_machine(endpoint: str) -> None:
    with pytest.raises(ValidationError, match="use https"):
        bucket(endpoint)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ENDPOINT": "https://store",
        "BUCKET": "evidence",
        "ACCESS_KEY_FILE": "/a",
        "SECRET_KEY_FILE": "/s",
    }.items():
        monkeypatch.setenv(f"AUDIT_EVIDENCE__BUCKET__{name}", value)
    found = AuditSettings().evidence.bucket
    assert found
    assert (found.endpoint, found.bucket, found.secret_key_file) == ("https://store", "evidence", Path("/s"))


def test_a_bucket_is_chosen_when_one_is_set(tmp_path: Path) -> None:
    for name in ("access.key", "secret.key"):
        (tmp_path / name).write_text("x")
    chosen = bucket("https://store").model_copy(
        update={"access_key_file": tmp_path / "access.key", "secret_key_file": tmp_path / "secret.key"}
    )
    assert isinstance(open_store(EvidenceSettings(bucket=chosen), tmp_path / "folder"), BucketStore)
    assert not (tmp_path / "folder").exists()

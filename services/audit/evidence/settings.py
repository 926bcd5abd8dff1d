"""What can be set about the evidence store."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Bucket(BaseModel):
    """A bucket of anything that speaks S3. It must not keep old versions of objects: what is deleted must be gone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str = Field(pattern=r"^https?://[^/\s]+$")
    """As `https://s3.eu-central-1.amazonaws.com`. Plain http is for a server on the same machine."""
    region: str = "us-east-1"
    bucket: str = Field(min_length=3, max_length=63)
    access_key_file: Path
    """Holds the access key's id."""
    secret_key_file: Path
    """Holds its secret."""
    ca_file: Path | None = None
    """Believed beside the system's own authorities: of a server with a private one."""

    @model_validator(mode="after")
    def _is_private(self) -> Self:
        host = self.endpoint.partition("://")[2].rpartition(":")[0] or self.endpoint.partition("://")[2]
        if self.endpoint.startswith("http://") and host not in ("127.0.0.1", "localhost", "[::1]"):
            raise ValueError("endpoint: plain http is for a server on the same machine; use https")
        return self


class EvidenceSettings(BaseModel):
    """Defaults suit one machine: a folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bucket: Bucket | None = None
    """Where files are kept; a folder of the audit service's own if there is none."""
    folder_max_bytes: int = Field(default=10 * 1024**3, ge=16 * 1024**2)
    """What the files of the folder may take together; past it no more are kept."""
    timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    """How long one call to a bucket may take."""
    writes: int = Field(default=4, ge=1, le=64)
    """Files that are written at a time; others wait."""
    sweep_seconds: float = Field(default=60.0, gt=0, le=86400)
    """How often it is looked for files whose time is over."""
    sweep_most: int = Field(default=500, ge=1, le=10_000)
    """Files deleted in one round."""
    unnamed_seconds: float = Field(default=86400.0, ge=0)
    """A file that no recorded decision names is deleted after this long. Longer than decisions may lie in a gateway's spool."""

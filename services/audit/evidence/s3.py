"""Objects in a bucket of anything that speaks S3."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from obstore.exceptions import BaseError
from obstore.store import S3Store

from services.audit.evidence.object_store import StoreDown, StoreFull
from services.runtime.logs import log

if TYPE_CHECKING:
    from obstore.store import ClientConfig

AnswerT = TypeVar("AnswerT")
_PROBE = "moat-probe"
"""A name that no object of ours has: those have slashes."""
_NO_OBJECT = "NoSuchKey"
"""Any other "not found" is of a bucket, or of something that is no store: nothing follows from it for an object."""
_NO_ROOM = ("507 Insufficient Storage", "StorageFull</Code>", "QuotaExceeded</Code>")
"""What servers say when they are full; S3 itself never is."""


class BucketStore:
    """Signed with SigV4, path-style. Durable when the server says so. Nothing is tried again here: callers know their
    deadlines, and every call may be repeated."""

    def __init__(
        self,
        *,
        endpoint: str,
        region: str,
        bucket: str,
        access_key_file: Path,
        secret_key_file: Path,
        ca_file: Path | None,
        timeout_seconds: float,
    ) -> None:
        """Opens no connection. Raises OSError for a secret that cannot be read."""
        client: ClientConfig = {
            "allow_http": endpoint.startswith("http://"),
            "timeout": timedelta(seconds=timeout_seconds),
            "connect_timeout": timedelta(seconds=timeout_seconds),
        }
        if ca_file is not None:
            client["root_certificate"] = ca_file.read_bytes()
        self._bucket = S3Store(
            bucket,
            endpoint=endpoint,
            region=region,
            access_key_id=access_key_file.read_text().strip(),
            secret_access_key=secret_key_file.read_text().strip(),
            virtual_hosted_style_request=False,
            client_options=client,
            retry_config={"max_retries": 0},
        )

    async def put(self, name: str, data: bytes) -> None:
        """See ObjectStore."""
        await _asked(self._bucket.put_async(name, data, use_multipart=False))

    async def get(self, name: str) -> bytes | None:
        """See ObjectStore."""
        try:
            found = await _asked(self._bucket.get_async(name))
            return bytes(await _asked(found.bytes_async()))
        except FileNotFoundError:
            return None

    async def delete(self, name: str) -> None:
        """See ObjectStore."""
        try:
            await _asked(self._bucket.delete_async(name))
        except FileNotFoundError:
            return
        except StoreDown:
            # Some servers answer the deletion of what is not there in ways of their own: what counts is that it is gone.
            if await self.get(name) is not None:
                raise

    async def ping(self) -> bool:
        """See ObjectStore. That a bucket does not exist looks like an object that does not, so it is listed."""
        await _asked(self._bucket.list_with_delimiter_async(_PROBE))
        return True


async def _asked(answer: Awaitable[AnswerT]) -> AnswerT:
    """Raises FileNotFoundError where there is no such object. The server's own words stay here: they may name anything."""
    try:
        return await answer
    except (BaseError, ValueError, OSError) as error:
        if isinstance(error, FileNotFoundError) and _NO_OBJECT in str(error):
            raise
        full = any(sign in str(error) for sign in _NO_ROOM)
        log.error("evidence_bucket_failed", error=type(error).__name__, full=full)
        raise StoreFull() if full else StoreDown() from error

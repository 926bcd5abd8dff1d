"""What went wrong, with the reason and the details that the server gave."""

from __future__ import annotations

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class MoatError(Exception):
    """Nothing was decided. `code` is gRPC's, `reason` is stable and made for programs."""

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        *,
        reason: str = "",
        fields: dict[str, str] | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        """`fields`: what is wrong with which field."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or code.name
        self.fields = fields or {}
        self.retry_after_seconds = retry_after_seconds

    @property
    def is_outage(self) -> bool:
        """Whether the mesh could not be asked or could not answer, as opposed to having refused."""
        return self.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.INTERNAL)


def from_status(status: status_pb2.Status) -> MoatError:
    """Of one item."""
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    after: float | None = None
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad)
        if detail.Unpack(retry):
            after = retry.retry_delay.ToNanoseconds() / 1e9
    fields = {violation.field: violation.description for violation in bad.field_violations}
    code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
    return MoatError(code, status.message, reason=info.reason, fields=fields, retry_after_seconds=after)


def from_rpc(error: grpc.aio.AioRpcError) -> MoatError:
    """Of a whole call."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # an error of grpc.aio answers as a call does
    if status is not None:
        return from_status(status)
    # An INTERNAL of the mesh's carries details. This one is gRPC's own word for a connection that broke under it.
    code = grpc.StatusCode.UNAVAILABLE if error.code() is grpc.StatusCode.INTERNAL else error.code()
    return MoatError(code, error.details() or code.name)


def closed() -> MoatError:
    """Of a client that was closed. No outage: nobody but its owner has ended it."""
    return MoatError(grpc.StatusCode.CANCELLED, "the client is closed", reason="CLIENT_CLOSED")


def invalid(field: str, description: str) -> MoatError:
    """What can be told without asking."""
    return MoatError(
        grpc.StatusCode.INVALID_ARGUMENT,
        f"{field}: {description}",
        reason="INVALID_REQUEST",
        fields={field: description},
    )

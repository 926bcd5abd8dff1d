"""The errors that domain code raises, and their one mapping to `google.rpc.Status` and back (AIP-193)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

DOMAIN = "moat"
"""`ErrorInfo.domain` of every error of ours."""


class MoatError(Exception):
    """Base of all errors with a defined answer. `reason` is stable and UPPER_SNAKE; values named in `message` stand in
    `metadata` too. Never put driver text or user content in either: both reach the caller."""

    code: ClassVar[int] = code_pb2.UNKNOWN
    default_reason: ClassVar[str] = "UNKNOWN"

    def __init__(self, message: str, *, reason: str = "", metadata: Mapping[str, str] | None = None) -> None:
        """`reason` defaults to the class's own."""
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.metadata = dict(metadata or {})

    def details(self) -> Sequence[Message]:
        """Details beside `ErrorInfo`."""
        return ()

    def to_status(self) -> status_pb2.Status:
        """The error as it crosses the wire, for a call or for one item of a list."""
        info = error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=self.metadata)
        status = status_pb2.Status(code=self.code, message=self.message)
        for detail in (info, *self.details()):
            packed = any_pb2.Any()
            packed.Pack(detail)
            status.details.append(packed)
        return status


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """What is wrong with one field: its path, and a sentence that names the limit and what to do."""

    field: str
    description: str


class InvalidRequest(MoatError):
    """The caller must fix the input."""

    code = code_pb2.INVALID_ARGUMENT
    default_reason = "INVALID_REQUEST"

    def __init__(self, message: str, *violations: FieldViolation, reason: str = "") -> None:
        """`violations` name the fields."""
        super().__init__(message, reason=reason, metadata={v.field: v.description for v in violations})
        self.violations = violations

    @classmethod
    def field(cls, field: str, description: str, *, reason: str = "") -> InvalidRequest:
        """The usual case: one field is wrong."""
        return cls(f"{field}: {description}", FieldViolation(field, description), reason=reason)

    def details(self) -> Sequence[Message]:
        """BadRequest."""
        bad = error_details_pb2.BadRequest()
        for violation in self.violations:
            bad.field_violations.add(field=violation.field, description=violation.description)
        return (bad,)


class _AboutResource(MoatError):
    def __init__(self, message: str, *, kind: str, name: str, reason: str = "") -> None:
        super().__init__(message, reason=reason, metadata={kind: name})
        self.kind = kind
        self.name = name

    def details(self) -> Sequence[Message]:
        """ResourceInfo."""
        return (error_details_pb2.ResourceInfo(resource_type=self.kind, resource_name=self.name),)


class NotFound(_AboutResource):
    """There is no such thing in the caller's tenant."""

    code = code_pb2.NOT_FOUND
    default_reason = "NOT_FOUND"


class AlreadyExists(_AboutResource):
    """The id is taken by something else; read what exists."""

    code = code_pb2.ALREADY_EXISTS
    default_reason = "ALREADY_EXISTS"


class WrongState(MoatError):
    """The state must change first."""

    code = code_pb2.FAILED_PRECONDITION
    default_reason = "WRONG_STATE"

    def details(self) -> Sequence[Message]:
        """PreconditionFailure."""
        failure = error_details_pb2.PreconditionFailure()
        failure.violations.add(type=self.reason, description=self.message)
        return (failure,)


class Contended(MoatError):
    """Somebody else changed it meanwhile; redo the transaction."""

    code = code_pb2.ABORTED
    default_reason = "CONTENDED"


class NotAuthenticated(MoatError):
    """Sign in (again)."""

    code = code_pb2.UNAUTHENTICATED
    default_reason = "NOT_AUTHENTICATED"


class NotAllowed(MoatError):
    """The caller is known and may not."""

    code = code_pb2.PERMISSION_DENIED
    default_reason = "NOT_ALLOWED"


class NotSupported(MoatError):
    """The schema has it, this mesh does not serve it."""

    code = code_pb2.UNIMPLEMENTED
    default_reason = "NOT_SUPPORTED"


class _RetryLater(MoatError):
    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: float = 1.0,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, reason=reason, metadata=metadata)
        self.retry_after_seconds = retry_after_seconds

    def details(self) -> Sequence[Message]:
        """RetryInfo."""
        info = error_details_pb2.RetryInfo()
        info.retry_delay.FromNanoseconds(int(self.retry_after_seconds * 1e9))
        return (info,)


class OverQuota(_RetryLater):
    """A queue or share is full; wait."""

    code = code_pb2.RESOURCE_EXHAUSTED
    default_reason = "OVER_QUOTA"

    def details(self) -> Sequence[Message]:
        """QuotaFailure and RetryInfo."""
        failure = error_details_pb2.QuotaFailure()
        failure.violations.add(subject=self.metadata.get("subject", self.reason), description=self.message)
        return (failure, *super().details())


class DependencyDown(_RetryLater):
    """Something we stand on does not answer; the one error that may be retried by itself."""

    code = code_pb2.UNAVAILABLE
    default_reason = "DEPENDENCY_DOWN"


class OutOfTime(MoatError):
    """The deadline passed, or cannot be met."""

    code = code_pb2.DEADLINE_EXCEEDED
    default_reason = "OUT_OF_TIME"


class DataLoss(MoatError):
    """What was kept is not there any more, or not as it was kept. Somebody has to look."""

    code = code_pb2.DATA_LOSS
    default_reason = "DATA_LOSS"


class Internal(MoatError):
    """Anything else. The caller learns nothing of the cause; our log has it."""

    code = code_pb2.INTERNAL
    default_reason = "INTERNAL"

    def __init__(self, message: str = "internal error; the operator's log has the cause") -> None:
        """The message is fixed unless the error came from another hop."""
        super().__init__(message)


class RemoteError(MoatError):
    """An error that another hop answered with, kept as it came."""

    def __init__(self, status: status_pb2.Status) -> None:
        """`status` is passed on unchanged by `to_status`."""
        info = error_details_pb2.ErrorInfo()
        for detail in status.details:
            if detail.Unpack(info):
                break
        super().__init__(status.message, reason=info.reason or code_pb2.Code.Name(status.code), metadata=info.metadata)
        self._status = status

    @property
    def status_code(self) -> int:
        """The google.rpc.Code it came with."""
        return int(self._status.code)

    def to_status(self) -> status_pb2.Status:
        """As it came."""
        return self._status


def code_of(error: MoatError) -> int:
    """The google.rpc.Code of an error of ours or of another hop."""
    return error.status_code if isinstance(error, RemoteError) else error.code


def from_rpc_error(error: grpc.aio.AioRpcError, peer: str) -> MoatError:
    """What a failed call to `peer` means to us: unreachable and out of time become ours, the rest stays as it came."""
    code = error.code()
    if code is grpc.StatusCode.UNAVAILABLE:
        return DependencyDown(f"{peer} cannot be reached", metadata={"peer": peer})
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return OutOfTime(f"{peer} did not answer in time", metadata={"peer": peer})
    if code is grpc.StatusCode.CANCELLED:
        return DependencyDown(f"{peer} ended the call", metadata={"peer": peer})
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # an error of grpc.aio answers as a call does
    if status is None:
        status = status_pb2.Status(code=code.value[0], message=error.details() or "")
    return RemoteError(status)

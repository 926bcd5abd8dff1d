"""Every error of ours crosses the wire with its code, reason and details, and comes back."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from services.runtime import errors

EXAMPLES: list[tuple[errors.MoatError, int, list[type[Message]]]] = [
    (errors.InvalidRequest.field("text", "is empty"), code_pb2.INVALID_ARGUMENT, [error_details_pb2.BadRequest]),
    (errors.NotFound("no such", kind="decision", name="x"), code_pb2.NOT_FOUND, [error_details_pb2.ResourceInfo]),
    (
        errors.AlreadyExists("taken", kind="request", name="x"),
        code_pb2.ALREADY_EXISTS,
        [error_details_pb2.ResourceInfo],
    ),
    (errors.WrongState("expired"), code_pb2.FAILED_PRECONDITION, [error_details_pb2.PreconditionFailure]),
    (errors.Contended("changed"), code_pb2.ABORTED, []),
    (errors.NotAuthenticated("who?"), code_pb2.UNAUTHENTICATED, []),
    (errors.NotAllowed("no"), code_pb2.PERMISSION_DENIED, []),
    (errors.NotSupported("image"), code_pb2.UNIMPLEMENTED, []),
    (
        errors.OverQuota("full", retry_after_seconds=0.5),
        code_pb2.RESOURCE_EXHAUSTED,
        [error_details_pb2.QuotaFailure, error_details_pb2.RetryInfo],
    ),
    (errors.DataLoss("lost"), code_pb2.DATA_LOSS, []),
    (errors.DependencyDown("log"), code_pb2.UNAVAILABLE, [error_details_pb2.RetryInfo]),
    (errors.OutOfTime("late"), code_pb2.DEADLINE_EXCEEDED, []),
    (errors.Internal(), code_pb2.INTERNAL, []),
]


def leaves(base: type[errors.MoatError]) -> set[type[errors.MoatError]]:
    """All public errors below `base`."""
    found: set[type[errors.MoatError]] = set()
    for sub in base.__subclasses__():
        found |= leaves(sub) | ({sub} if not sub.__name__.startswith("_") else set())
    return found


def test_every_error_has_an_example_here() -> None:
    ours = {error for error in leaves(errors.MoatError) if error.__module__ == errors.__name__}
    assert {type(example) for example, _, _ in EXAMPLES} | {errors.RemoteError} == ours


@pytest.mark.parametrize(("error", "code", "details"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_an_error_says_code_reason_and_details(
    error: errors.MoatError, code: int, details: list[type[Message]]
) -> None:
    status = error.to_status()
    assert status.code == code
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.domain, info.reason) == ("moat", error.reason)
    assert [any_.Is(kind.DESCRIPTOR) for any_, kind in zip(status.details[1:], details, strict=True)] == [True] * len(
        details
    )


def test_a_remote_error_is_passed_on_as_it_came() -> None:
    status = errors.AlreadyExists("taken", kind="request", name="r1", reason="REQUEST_ID_REUSED").to_status()
    remote = errors.RemoteError(status)
    assert remote.to_status() == status
    assert (remote.reason, remote.metadata, errors.code_of(remote)) == (
        "REQUEST_ID_REUSED",
        {"request": "r1"},
        code_pb2.ALREADY_EXISTS,
    )


def test_a_status_without_details_still_has_a_reason() -> None:
    assert errors.RemoteError(status_pb2.Status(code=code_pb2.ABORTED)).reason == "ABORTED"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, errors.DependencyDown),
        (grpc.StatusCode.CANCELLED, errors.DependencyDown),
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.OutOfTime),
        (grpc.StatusCode.PERMISSION_DENIED, errors.RemoteError),
    ],
)
def test_a_failed_call_becomes_an_error_of_ours(code: grpc.StatusCode, kind: type[errors.MoatError]) -> None:
    failed = grpc.aio.AioRpcError(
        code, grpc.aio.Metadata(), grpc.aio.Metadata(), details="driver text", debug_error_string=""
    )
    error = errors.from_rpc_error(failed, "audit")
    assert type(error) is kind
    assert kind is errors.RemoteError or "driver text" not in error.message

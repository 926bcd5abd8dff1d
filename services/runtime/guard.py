"""What stands in front of every RPC: one wrapper per method that runs the same named steps in the same order.

1. *measure* first, so that refusals are counted too;
2. *answer errors*, around everything that may raise one;
3. *well-formed*: bytes that are no such message are the caller's mistake, not an INTERNAL error of ours;
4. *identity* before *permission*: who, then what they may;
5. *deadline* before *validation*: no work for an answer nobody waits for.

Lists are validated in the servicer (`validation.check_list`), because there one bad item must not fail its neighbours. On
streams of lists (see `services.runtime.lists`) who calls is proven once, and each list is measured and answered by itself;
its items have deadlines of their own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import grpc
from google.rpc import code_pb2

from services.runtime import validation
from services.runtime.errors import Internal, InvalidRequest, MoatError, OutOfTime, code_of
from services.runtime.lists.serving import ListStream
from services.runtime.logs import log
from services.runtime.metrics import RPC_IN_FLIGHT, RPC_SECONDS
from services.runtime.principal import Principal, set_current_principal

if TYPE_CHECKING:
    from google.protobuf.message import Message

Identify = Callable[[grpc.aio.ServicerContext[Any, Any]], Principal]
_STATUS = {code.value[0]: code for code in grpc.StatusCode}
_MIN_SECONDS_LEFT = 0.001
T = TypeVar("T")


class _Malformed:
    """Stands in for a request whose bytes could not be parsed."""


class Guard(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # not generic at run time
    """Wraps every handler of a server whose method is in `permissions`; other methods (health, reflection) only need a
    proven peer."""

    def __init__(
        self,
        identify: Identify,
        permissions: Mapping[str, str],
        *,
        validated_in_servicer: frozenset[str],
        lists: Mapping[str, type[Message]],
        draining: asyncio.Event,
    ) -> None:
        """`permissions` by full method (`/package.Service/Method`); an empty permission refuses everybody. `lists`: the
        response messages of list RPCs, whose callers are told when `draining` is set."""
        self._identify = identify
        self._permissions = permissions
        self._validated_in_servicer = validated_in_servicer
        self._lists = lists
        self._draining = draining
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """Wraps once per method; handlers do not change while a server runs."""
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None or method not in self._permissions:  # type: ignore[redundant-expr]  # the stubs forget None
                return handler
            wrapped = self._wrapped[method] = self._wrap(method, handler)
        return wrapped

    def _wrap(self, method: str, handler: Any) -> Any:  # noqa: ANN401 - grpc's handlers are untyped tuples
        parse = handler.request_deserializer

        def parse_or_malformed(data: bytes) -> object:
            try:
                return parse(data)
            except Exception:  # noqa: BLE001 - protobuf raises DecodeError, upb at times ValueError
                return _Malformed()

        call = _GuardedCall(self, method, self._permissions[method], validate=method not in self._validated_in_servicer)
        replaced = handler._replace(request_deserializer=parse_or_malformed)
        if handler.unary_unary:
            return replaced._replace(unary_unary=call.answering(handler.unary_unary))
        if method in self._lists:
            return replaced._replace(
                stream_stream=call.listing(handler.stream_stream, self._lists[method], self._draining)
            )
        if handler.stream_stream:
            return replaced._replace(stream_stream=call.streaming(handler.stream_stream))
        msg = f"{method}: streams in one direction are not used here"
        raise TypeError(msg)

    def identify(self, context: grpc.aio.ServicerContext[Any, Any]) -> Principal:
        """Who calls; raises NotAuthenticated or NotAllowed."""
        return self._identify(context)


class _Outcome:
    """How a call or list ended; it was given up unless somebody says otherwise."""

    __slots__ = ("code",)

    def __init__(self) -> None:
        self.code: int = code_pb2.CANCELLED


class _GuardedCall:
    def __init__(self, guard: Guard, method: str, permission: str, *, validate: bool) -> None:
        self._guard = guard
        self._method = method
        self._permission = permission
        self._validate = validate
        self._in_flight = RPC_IN_FLIGHT.labels(method)

    def answering(self, serve: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        """One request, one answer."""

        async def guarded(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> T:
            with self._measuring() as outcome:
                try:
                    self._before(request, context)
                    response = await serve(request, context)
                except Exception as error:  # noqa: BLE001 - every exception gets its defined answer
                    await _abort(context, self._failed(error, outcome))
                outcome.code = code_pb2.OK
                return response

        return guarded

    def streaming(self, serve: Callable[..., AsyncIterator[T]]) -> Callable[..., AsyncIterator[T]]:
        """Messages both ways, as the servicer pleases."""

        async def guarded(requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[T]:  # noqa: ANN401
            with self._measuring() as outcome:
                try:
                    self._before(requests, context)
                    async for response in serve(_parsed(requests), context):
                        yield response
                except Exception as error:  # noqa: BLE001 - every exception gets its defined answer
                    await _abort(context, self._failed(error, outcome))
                outcome.code = code_pb2.OK

        return guarded

    def listing(
        self, serve: Callable[..., AsyncIterator[Any]], response: type[Message], draining: asyncio.Event
    ) -> Callable[..., AsyncIterator[Any]]:
        """A stream of lists; `serve` answers one of them."""

        async def guarded(requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:  # noqa: ANN401
            def answer(request: Any) -> AsyncIterator[Any]:  # noqa: ANN401 - any list message
                return self._answer_list(request, serve(request, context), response)

            try:
                self._before(requests, context)
                async for part in ListStream(answer, draining, response()).serve(_parsed(requests)):
                    yield part
            except Exception as error:  # noqa: BLE001 - every exception gets its defined answer
                with self._measuring() as outcome:
                    await _abort(context, self._failed(error, outcome))

        return guarded

    async def _answer_list(
        self,
        request: Any,  # noqa: ANN401 - any list message
        parts: AsyncIterator[Any],
        response: type[Message],
    ) -> AsyncIterator[Any]:
        left = len(request.items)
        with self._measuring() as outcome:
            try:
                async for part in parts:
                    left -= len(part.results)
                    part.list = request.list
                    yield part
                if left > 0:
                    # Whoever forgets an item must not leave its caller waiting.
                    raise Internal  # noqa: TRY301
                outcome.code = code_pb2.OK
            except Exception as error:  # noqa: BLE001 - every exception gets its defined answer
                failure = self._failed(error, outcome)
                yield response(list=request.list, error=failure.to_status())

    def _before(self, request: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        if isinstance(request, _Malformed):
            _refuse_malformed()
        principal = self._guard.identify(context)
        principal.require(self._permission)
        set_current_principal(principal)
        left = context.time_remaining()
        if left is not None and left < _MIN_SECONDS_LEFT:  # type: ignore[redundant-expr]  # the stubs forget None
            message = "the deadline passed before the work began"
            raise OutOfTime(message)
        if self._validate and hasattr(request, "DESCRIPTOR"):
            validation.check(request)  # type: ignore[arg-type]

    @contextmanager
    def _measuring(self) -> Iterator[_Outcome]:
        outcome = _Outcome()
        started = time.perf_counter()
        self._in_flight.inc()
        try:
            yield outcome
        finally:
            self._in_flight.dec()
            code = code_pb2.Code.Name(outcome.code)
            RPC_SECONDS.labels(self._method, code).observe(time.perf_counter() - started)

    def _failed(self, error: Exception, outcome: _Outcome) -> MoatError:
        if not isinstance(error, MoatError):
            log.error("rpc_failed", rpc_method=self._method, exc_info=error)
            error = Internal()
        outcome.code = code_of(error)
        return error


async def _abort(context: grpc.aio.ServicerContext[Any, Any], error: MoatError) -> NoReturn:
    status = error.to_status()
    details = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(_STATUS[code_of(error)], status.message, details)


def _refuse_malformed() -> NoReturn:
    message = "the request is not a valid message of this method; text must be valid UTF-8"
    raise InvalidRequest(message, reason="MALFORMED_MESSAGE")


async def _parsed(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """A stream of requests with the malformed ones refused where they are read."""
    async for message in requests:
        if isinstance(message, _Malformed):
            _refuse_malformed()
        yield message

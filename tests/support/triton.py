"""A Triton that answers what a test says: wrong shapes, late, or never. The real one is asked in tests/integration."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import np_to_triton_dtype, serialize_byte_tensor

Tensors = Mapping[str, NDArray[np.generic]]
Answer = Callable[[service_pb2.ModelInferRequest], Awaitable[Tensors]]


@asynccontextmanager
async def triton_that(answers: Mapping[str, Answer]) -> AsyncIterator[str]:
    """Its address. A model that is not among `answers` is not served."""
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(_Servicer(answers), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


class _Servicer(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc] # comes without types
    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self._answers = answers

    async def ModelInfer(  # noqa: N802 - gRPC's
        self, request: service_pb2.ModelInferRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> service_pb2.ModelInferResponse:
        if request.model_name not in self._answers:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such model")
        response = service_pb2.ModelInferResponse(model_name=request.model_name)
        for name, values in (await self._answers[request.model_name](request)).items():
            response.outputs.add(name=name, datatype=np_to_triton_dtype(values.dtype), shape=values.shape)
            raw = (
                serialize_byte_tensor(values).item() if values.dtype == np.object_ and values.size else values.tobytes()
            )
            response.raw_output_contents.append(raw)
        return response

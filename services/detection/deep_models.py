"""Where the deep model runs: behind Triton in the mesh, or in this process for tools that work without one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

import numpy as np
import tritonclient.grpc.aio as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

from services.runtime.clients import CHANNEL_OPTIONS
from services.runtime.errors import DependencyDown

MODEL = "deep_text"
_CALL_SECONDS = 2.0


class DeepModel(Protocol):
    """Token ids to probabilities. Safe to call from several tasks at once; raises DependencyDown."""

    async def run(self, ids: NDArray[np.int64], traceparent: str) -> NDArray[np.float32]:
        """[windows, tokens], 0 being padding → [windows, categories]."""

    async def close(self) -> None:
        """Lets go of what it holds."""


class TritonModel:
    """One version of the model on a Triton."""

    def __init__(self, address: str, version: str) -> None:
        """`address` is `host:port` of Triton's gRPC."""
        self._version = version
        self._client = triton.InferenceServerClient(address, channel_args=list(CHANNEL_OPTIONS))

    async def run(self, ids: NDArray[np.int64], traceparent: str) -> NDArray[np.float32]:
        """See `DeepModel`."""
        inputs = []
        for name, values in (("input_ids", ids), ("attention_mask", (ids != 0).astype(np.int64))):
            inputs.append(triton.InferInput(name, list(values.shape), "INT64"))
            inputs[-1].set_data_from_numpy(values)
        try:
            result = await self._client.infer(
                MODEL,
                inputs,
                model_version=self._version,
                client_timeout=_CALL_SECONDS,
                headers={"traceparent": traceparent},
            )
        except InferenceServerException as error:
            raise DependencyDown("the deep tier cannot be reached", metadata={"peer": "triton"}) from error
        rows: NDArray[np.float32] | None = result.as_numpy("probabilities")
        if rows is None or rows.shape[0] != len(ids):
            raise DependencyDown("the deep tier answered without scores", metadata={"peer": "triton"})
        return rows

    async def close(self) -> None:
        """Ends the connection."""
        await self._client.close()


class InProcessModel:
    """The same file on ONNX Runtime in this process."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        """`path` of the file. `threads` of ONNX Runtime's own."""
        import onnxruntime  # noqa: PLC0415 - the services of a mesh do without it

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self._session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])

    async def run(self, ids: NDArray[np.int64], traceparent: str) -> NDArray[np.float32]:
        """See `DeepModel`; nothing is traced."""
        del traceparent
        feed = {"input_ids": ids, "attention_mask": (ids != 0).astype(np.int64)}
        (rows,) = await asyncio.to_thread(self._session.run, None, feed)
        found: NDArray[np.float32] = rows
        return found

    async def close(self) -> None:
        """Nothing is held open."""

"""The versions of a model that a Triton has loaded. Triton loads a model as a whole: which versions, says its policy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection

import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException

from services.runtime.errors import DependencyDown
from services.runtime.logs import log

_LOAD_SECONDS = 120.0


class ModelVersions:
    """Of one model on one server, under explicit model control. For one caller at a time. Everything raises DependencyDown."""

    def __init__(self, client: triton.InferenceServerClient, model: str) -> None:
        """`client` stays the caller's."""
        self._client = client
        self._model = model

    async def loaded(self) -> list[str]:
        """Those that are ready."""
        try:
            index = await self._client.get_model_repository_index()
        except InferenceServerException as error:
            raise self._down("cannot be asked", error) from error
        return sorted(
            (one.version for one in index.models if one.name == self._model and one.state == "READY"), key=int
        )

    async def load(self, version: str) -> None:
        """One more. The others go on answering."""
        await self.serve({*await self.loaded(), version})

    async def unload(self, version: str) -> bool:
        """One less; what it is working on is still answered. False if it is the only one, or not loaded."""
        loaded = await self.loaded()
        left = [one for one in loaded if one != version]
        if version not in loaded or not left:
            return False
        await self.serve(left)
        return True

    async def serve(self, versions: Collection[str]) -> None:
        """These and no others. Where none is loaded, those that the model's own configuration names."""
        try:
            async with asyncio.timeout(_LOAD_SECONDS):
                await self._client.load_model(self._model, config=await self._configured(versions))
        except (InferenceServerException, TimeoutError) as error:
            raise self._down(
                f"did not load {self._model} in versions {', '.join(sorted(versions, key=int))}", error
            ) from error

    async def _configured(self, versions: Collection[str]) -> str | None:
        """The configuration as Triton has it, with these versions."""
        if not await self._client.is_model_ready(self._model):
            return None
        answer = await self._client.get_model_config(self._model, as_json=True)
        policy = {"specific": {"versions": sorted(map(int, versions))}}
        return json.dumps({**answer["config"], "version_policy": policy})

    def _down(self, what: str, error: Exception) -> DependencyDown:
        log.warning("triton_control_failed", model=self._model, error=str(error)[:200])
        return DependencyDown(f"Triton {what}", metadata={"peer": "triton"})

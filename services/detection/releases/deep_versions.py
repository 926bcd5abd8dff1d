"""The deep model's versions on Triton, as releases need them: loaded, and answering."""

from __future__ import annotations

import numpy as np
import tritonclient.grpc.aio as triton

from services.detection.categories import CATEGORIES
from services.detection.deep_models import MODEL, TritonModel
from services.runtime.clients import CHANNEL_OPTIONS
from services.runtime.errors import DependencyDown
from services.runtime.logs import log
from services.runtime.model_versions import ModelVersions

_TOKENS = 16


class DeepVersions:
    """Of one server. For one caller at a time."""

    def __init__(self, address: str) -> None:
        """`address` is `host:port` of Triton's gRPC."""
        self._address = address
        self._client = triton.InferenceServerClient(address, channel_args=list(CHANNEL_OPTIONS))
        self._models: dict[str, TritonModel] = {}
        self.versions = ModelVersions(self._client, MODEL)

    async def ensure(self, version: str) -> None:
        """Loads a version if it is not, and returns when it has answered a real inference. Raises DependencyDown."""
        if version not in await self.versions.loaded():
            log.info("release_version_loading", version=version)
            await self.versions.load(version)
        if version not in self._models:
            self._models[version] = TritonModel(self._address, version)
        rows = await self._models[version].run(np.ones((1, _TOKENS), dtype=np.int64), "")
        if rows.shape != (1, len(CATEGORIES)) or not np.isfinite(rows).all():
            raise DependencyDown(f"{MODEL} {version} answers {list(rows.shape)}, not a probability for each category")

    async def close(self) -> None:
        """Ends the connections."""
        for client in (self._client, *self._models.values()):
            await client.close()

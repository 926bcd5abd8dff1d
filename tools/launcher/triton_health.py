"""Asks Triton for real inferences, and reloads a model whose process died.

When the process behind a Python-based model dies, Triton goes on calling the model ready and fails every request to it,
for good. So only an inference tells, and only unloading and loading again cures. A dead one fails at once; one that does not
answer in time may have other work before this, and is well as long as it gets that done.
"""

from __future__ import annotations

import asyncio
import time

import numpy as np
import numpy.typing as npt
import tritonclient.grpc.aio as triton
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from services.runtime import topology
from services.runtime.clients import CHANNEL_OPTIONS
from services.runtime.logs import log
from services.runtime.model_versions import ModelVersions

_INFERENCE_SECONDS = 2.0
_UNLOAD_SECONDS = 10.0
_SHARE = 0.01
"""Of a model's time that probing it may take: a large one is asked less often, a small one every time."""
_STUCK_SECONDS = 60.0
"""A model that finishes nothing for so long hangs. The longest utterance takes a second or two, and many times that on a machine
that everybody wants at once; to load a model again that is busy would make it worse."""
_LONGEST_SECONDS = 5.0
"""Between two probes of a model, however long one takes."""

_Version = tuple[str, str]
"""A model's name, and its version's."""


class TritonHealth:
    """Health of one server. Not for concurrent use."""

    def __init__(self, server: topology.Triton) -> None:
        """Connects on first use."""
        self._address = f"{server.host}:{server.grpc}"
        self._client: triton.InferenceServerClient | None = None
        self._sick: dict[str, list[str]] = {}
        """By model: the versions that do not answer; none if no version is ready."""
        self._done: dict[_Version, tuple[int, float]] = {}
        """Of what did not answer in time: how many requests it had finished, and when it had."""
        self._well_until: dict[_Version, float] = {}
        """On the monotonic clock: before that it is not asked again."""

    async def probe(self) -> bool:
        """Whether every model of the repository answers, in each version that is loaded. Raises ConnectionError naming those
        that do not: one that could not be loaded leaves the others, and the server, ready."""
        client = self._connect()
        known = self._well_until
        if not await client.is_server_ready():
            return False
        loaded = await self._models(client)
        self._sick = {name: [] for name, versions in loaded.items() if not versions}
        now = time.monotonic()
        every = sorted((name, version) for name, versions in loaded.items() for version in versions)
        self._well_until = {one: known[one] for one in every if known.get(one, 0.0) > now}
        due = [one for one in every if one not in self._well_until]
        # At once: who waits for one that is busy would have no time left for the others.
        answers = await asyncio.gather(*(self._is_well(client, one) for one in due))
        for (name, version), well in zip(due, answers, strict=True):
            if not well:
                self._sick.setdefault(name, []).append(version)
        if self._sick:
            raise ConnectionError(f"no answer from {', '.join(self._sick)}")
        return True

    async def heal(self) -> None:
        """Unloads and loads what did not answer. Versions that do answer go on; where none does, those that the model's own
        configuration names are loaded."""
        client = self._connect()
        for name, versions in self._sick.items():
            log.warning("model_reloaded", model=name, versions=versions)
            model = ModelVersions(client, name)
            loaded = await model.loaded()
            well = [version for version in loaded if version not in versions]
            if versions and well:
                await model.serve(well)
                await model.serve(loaded)
                continue
            await client.unload_model(name)
            async with asyncio.timeout(_UNLOAD_SECONDS):
                while await client.is_model_ready(name):
                    await asyncio.sleep(0.05)
            await client.load_model(name)

    def _connect(self) -> triton.InferenceServerClient:
        if self._client is None:
            self._client = triton.InferenceServerClient(self._address, channel_args=list(CHANNEL_OPTIONS))
        return self._client

    async def _models(self, client: triton.InferenceServerClient) -> dict[str, list[str]]:
        """The versions of each that are ready."""
        index = await client.get_model_repository_index()
        found: dict[str, list[str]] = {model.name: [] for model in index.models}
        for model in index.models:
            if model.state == "READY":
                found[model.name].append(model.version)
        return found

    async def _is_well(self, client: triton.InferenceServerClient, one: _Version) -> bool:
        began = time.monotonic()
        answers = await self._answers(client, *one)
        now = time.monotonic()
        if answers:
            self._well_until[one] = now + min(_LONGEST_SECONDS, (now - began) / _SHARE)
        return answers

    async def _answers(self, client: triton.InferenceServerClient, name: str, version: str) -> bool:
        try:
            metadata = await client.get_model_metadata(name, version)
            inputs = [_blank(one.name, one.datatype, list(one.shape)) for one in metadata.inputs]
            await client.infer(name, inputs, model_version=version, client_timeout=_INFERENCE_SECONDS)
        except InferenceServerException as error:
            if error.status() == "StatusCode.DEADLINE_EXCEEDED":
                return await self._gets_work_done(client, (name, version))
            # What the model itself refuses it has looked at: then its process lives.
            if error.status() == "StatusCode.INVALID_ARGUMENT":
                return True
            # A version may have been unloaded since it was listed: a release that has gone.
            return version not in (await self._models(client)).get(name, [])
        self._done.pop((name, version), None)
        return True

    async def _gets_work_done(self, client: triton.InferenceServerClient, one: _Version) -> bool:
        statistics = await client.get_inference_statistics(*one)
        done = sum(model.inference_stats.success.count for model in statistics.model_stats)
        now = time.monotonic()
        before, since = self._done.get(one, (-1, now))
        if done != before:
            self._done[one] = done, now
            return True
        return now - since < _STUCK_SECONDS


def _blank(name: str, datatype: str, shape: list[int]) -> triton.InferInput:
    """An input of the smallest shape, all zeros or empty strings."""
    sizes = [max(1, size) for size in shape]
    kind = triton_to_np_dtype(datatype)
    value: npt.NDArray[np.generic] = np.full(sizes, b"", np.object_) if kind is np.object_ else np.zeros(sizes, kind)
    blank = triton.InferInput(name, sizes, datatype)
    blank.set_data_from_numpy(value)
    return blank

"""The deep model by itself: in process, and behind a bare Triton. Tokens are made beforehand, so that both do the same."""

from __future__ import annotations

import itertools
import json
import subprocess
import tempfile
from collections.abc import Iterator

import numpy as np
import tritonclient.grpc.aio as triton
from numpy.typing import NDArray
from tokenizers import Tokenizer

from services.detection.settings import DetectionSettings
from services.runtime import topology
from tools.bench.load import closed_loop
from tools.bench.stats import Result, summarise
from tools.bench.texts import lines
from tools.launcher.home import ENVIRONMENTS

_RELEASE = DetectionSettings().live_release()
_LENGTHS = (16, 16, 16, 16, 32)
"""What detection pads lines to: of the bench's lines four in five are short. Asked in turn, here as in the process."""
_TEXTS = 2048
_BATCHES = (1, 8, 16, 32)
_DIRECT = """
import json, sys, time
import numpy as np, onnxruntime as ort
model, tokens, seconds = sys.argv[1], np.load(sys.argv[2]), float(sys.argv[3])
batches, lengths = json.loads(sys.argv[4]), json.loads(sys.argv[5])
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
report = []
for batch in batches:
    latencies, position, turn, end = [], 0, 0, time.perf_counter() + seconds
    while (asked := time.perf_counter()) < end:
        ids = tokens[position : position + batch, : lengths[turn % len(lengths)]]
        turn += 1
        position = (position + batch) % (len(tokens) - batch)
        session.run(None, {"input_ids": ids, "attention_mask": (ids != 0).astype(np.int64)})
        latencies += [time.perf_counter() - asked] * batch
    report.append(latencies)
json.dump(report, sys.stdout)
"""


def direct(seconds: float) -> tuple[Result, int]:
    """ONNX Runtime in one process on one thread, at its best batch; which one that was."""
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file.name, _tokens())
        python = ENVIRONMENTS / "triton" / "bin" / "python"
        arguments = [
            str(_RELEASE.model),
            file.name,
            str(seconds),
            json.dumps(_BATCHES),
            json.dumps(_LENGTHS),
        ]
        done = subprocess.run([str(python), "-c", _DIRECT, *arguments], check=True, capture_output=True, text=True)
    results = [summarise(latencies, seconds) for latencies in json.loads(done.stdout)]
    best = max(range(len(results)), key=lambda index: results[index].per_s)
    return results[best], _BATCHES[best]


async def behind_triton(server: topology.Triton, seconds: float) -> tuple[Result, str, Result]:
    """The best of single and batched clients, how it was asked, and one caller alone."""
    client = triton.InferenceServerClient(f"{server.host}:{server.grpc}")
    try:
        results = {
            f"{callers} callers of {batch}": await _ask(client, batch, callers, seconds)
            for batch, callers in ((1, 32), (1, 64), (16, 3), (32, 2))
        }
        alone = await _ask(client, 1, 1, seconds)
    finally:
        await client.close()
    best = max(results, key=lambda how: results[how].per_s)
    return results[best], best, alone


async def _ask(client: triton.InferenceServerClient, batch: int, callers: int, seconds: float) -> Result:
    tokens = _tokens()
    positions = itertools.cycle(range(0, len(tokens) - batch, batch))
    lengths = itertools.cycle(_LENGTHS)

    async def ask(_: str) -> None:
        start = next(positions)
        ids = tokens[start : start + batch, : next(lengths)]
        inputs = []
        for name, values in (("input_ids", ids), ("attention_mask", (ids != 0).astype(np.int64))):
            inputs.append(triton.InferInput(name, list(values.shape), "INT64"))
            inputs[-1].set_data_from_numpy(values)
        await client.infer("deep_text", inputs, model_version=_RELEASE.deep_version)

    load = await closed_loop(ask, _nothing(), callers=callers, seconds=seconds, warm_seconds=1.0)
    return summarise([latency for latency in load.latencies for _ in range(batch)], load.elapsed)


def _nothing() -> Iterator[str]:
    return itertools.repeat("")


def _tokens() -> NDArray[np.int64]:
    """[texts, the longest length], padded; the shorter lengths are its first columns."""
    tokenizer = Tokenizer.from_file(str(_RELEASE.tokenizer))
    tokenizer.enable_truncation(max(_LENGTHS))
    tokenizer.enable_padding(length=max(_LENGTHS))
    encodings = tokenizer.encode_batch_fast(list(itertools.islice(lines(5), _TEXTS)))
    return np.array([encoding.ids for encoding in encodings], dtype=np.int64)

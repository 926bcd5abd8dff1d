"""Serves `backend: "onnxruntime"` models where Triton's C++ backend of that name is not built in.

Triton starts one stub process per model instance, which imports this file under Triton's own Python (numpy < 2) and knows
nothing of Moat. `execute` gets a whole dynamic batch: requests whose inputs have equal shapes run together, and a request
that makes such a run fail is found by running each alone, so that its neighbours are still answered.
"""

import json
import os
from collections import defaultdict

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb
from moat_leash import end_with_the_server

_OPTIMISATION = {
    # `optimization.graph.level` as the C++ backend reads it.
    -1: ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    1: ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    2: ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
_TRITON_TYPES = {
    "tensor(bool)": "TYPE_BOOL",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(uint16)": "TYPE_UINT16",
    "tensor(uint32)": "TYPE_UINT32",
    "tensor(uint64)": "TYPE_UINT64",
    "tensor(int8)": "TYPE_INT8",
    "tensor(int16)": "TYPE_INT16",
    "tensor(int32)": "TYPE_INT32",
    "tensor(int64)": "TYPE_INT64",
    "tensor(float16)": "TYPE_FP16",
    "tensor(float)": "TYPE_FP32",
    "tensor(double)": "TYPE_FP64",
    "tensor(string)": "TYPE_STRING",
}


class BadInput(Exception):
    """One request's input cannot be fed to the graph; the others of its batch are unharmed."""


class TritonPythonModel:
    """One instance of one version of a model."""

    def initialize(self, args):
        """Opens the model file; raises with the reason, which Triton answers to whoever asked for the load."""
        end_with_the_server()
        config = json.loads(args["model_config"])
        if args["model_instance_kind"] == "GPU" and "CUDAExecutionProvider" not in ort.get_available_providers():
            raise pb.TritonModelException(
                "instance_group asks for KIND_GPU, and this ONNX Runtime has no CUDA provider"
            )
        folder = os.path.join(args["model_repository"], args["model_version"])
        path = os.path.join(folder, config.get("default_model_filename") or "model.onnx")
        if os.path.isdir(path):
            # A model with external data is a folder of the file's name, with the file inside.
            path = os.path.join(path, os.path.basename(path))
        providers = ["CUDAExecutionProvider"] if args["model_instance_kind"] == "GPU" else []
        self.session = ort.InferenceSession(path, _session_options(config), [*providers, "CPUExecutionProvider"])
        self.input_types = {item.name: item.type for item in self.session.get_inputs()}
        self.batched = config.get("max_batch_size", 0) > 0
        _check(config["input"], self.session.get_inputs(), "input")
        _check(config["output"], self.session.get_outputs(), "output")

    def execute(self, requests):
        """Answers every request of a dynamic batch, in order. Does not ask whether one was cancelled: the server may look for
        it in memory that it has freed, and die with all models (triton-inference-server/server#8192)."""
        responses = [None] * len(requests)
        groups = defaultdict(list)
        for position, request in enumerate(requests):
            try:
                feed = {tensor.name(): self._array(tensor) for tensor in request.inputs()}
            except BadInput as error:
                responses[position] = _error(str(error), pb.TritonError.INVALID_ARG)
                continue
            # Without a batch dimension, nothing may be joined: each request is its own group.
            shapes = tuple(sorted((name, array.shape[1:]) for name, array in feed.items()))
            outputs = tuple(request.requested_output_names())
            groups[(shapes, outputs) if self.batched else position].append((position, feed, outputs))
        for group in groups.values():
            self._run(group, responses)
        return responses

    def finalize(self):
        """Called at unload, when no request is left."""
        self.session = None

    def _run(self, group, responses):
        outputs = list(group[0][2])
        names = group[0][1].keys()
        feed = (
            group[0][1]
            if len(group) == 1
            else {name: np.concatenate([item[1][name] for item in group]) for name in names}
        )
        try:
            results = self.session.run(outputs, feed)
        except Exception as error:  # ONNX Runtime raises whatever its kernels raise
            if len(group) > 1:
                for item in group:
                    self._run([item], responses)
                return
            responses[group[0][0]] = _error(f"the model refused the input: {error}", pb.TritonError.INVALID_ARG)
            return
        row = 0
        for position, item_feed, _ in group:
            rows = next(iter(item_feed.values())).shape[0] if self.batched else None
            part = [array[row : row + rows] for array in results] if self.batched else results
            row += rows or 0
            responses[position] = pb.InferenceResponse(
                [pb.Tensor(name, _outgoing(array)) for name, array in zip(outputs, part)]
            )

    def _array(self, tensor):
        array = tensor.as_numpy()
        if self.input_types.get(tensor.name()) != "tensor(string)":
            return array
        try:
            decoded = [value.decode("utf-8") for value in array.reshape(-1)]
        except UnicodeDecodeError:
            raise BadInput(f"input '{tensor.name()}' is not UTF-8") from None
        return np.array(decoded, dtype=object).reshape(array.shape)


def _session_options(config):
    options = ort.SessionOptions()
    # Errors are answered to the caller; a log line would repeat values of the input.
    options.log_severity_level = 4
    level = int(config.get("optimization", {}).get("graph", {}).get("level", 0))
    options.graph_optimization_level = _OPTIMISATION.get(level, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
    options.intra_op_num_threads = _parameter(config, "intra_op_thread_count", 0)
    options.inter_op_num_threads = _parameter(config, "inter_op_thread_count", 0)
    if _parameter(config, "execution_mode", 0) == 1:
        options.execution_mode = ort.ExecutionMode.ORT_PARALLEL
    options.enable_cpu_mem_arena = _parameter(config, "enable_mem_arena", 1) == 1
    options.enable_mem_pattern = _parameter(config, "enable_mem_pattern", 1) == 1
    # Threads that spin while they wait would take the cores that the services of the same machine run on.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _parameter(config, name, default):
    return int(config.get("parameters", {}).get(name, {}).get("string_value", default))


def _check(configured, actual, kind):
    """The configuration may leave tensors out, but must not promise what the graph does not have."""
    types = {item.name: _TRITON_TYPES.get(item.type) for item in actual}
    for item in configured:
        if item["name"] not in types:
            raise pb.TritonModelException(f"config.pbtxt names {kind} '{item['name']}'; the graph has {sorted(types)}")
        if item["data_type"] != types[item["name"]]:
            raise pb.TritonModelException(
                f"config.pbtxt says {kind} '{item['name']}' is {item['data_type']}; in the graph it is {types[item['name']]}"
            )


def _outgoing(array):
    if array.dtype == object:
        return np.array([str(value).encode() for value in array.reshape(-1)], dtype=object).reshape(array.shape)
    return np.ascontiguousarray(array)


def _error(message, code):
    return pb.InferenceResponse(error=pb.TritonError(message, code))

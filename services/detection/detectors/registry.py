"""All detectors that there are. A new one is a module beside this and a line here (docs/guides/writing-a-detector.md)."""

from __future__ import annotations

from services.detection.detectors import (
    grpc_endpoint_answers,
    http_endpoint_answers,
    language_model_reads_policy,
    phone_number_or_address_shared,
    triton_model_scores,
)

_ALL = (
    phone_number_or_address_shared.DETECTOR,
    triton_model_scores.DETECTOR,
    http_endpoint_answers.DETECTOR,
    grpc_endpoint_answers.DETECTOR,
    language_model_reads_policy.DETECTOR,
)
DETECTORS = {detector.card.name: detector for detector in _ALL}
"""By the name that files use."""

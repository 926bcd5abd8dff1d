"""Pictures and clips: detectors look at them when the tiers have spoken, and never at what is known to be unlawful to pass on."""

from __future__ import annotations

from moat.detection.v1 import detection_service_pb2, signals_pb2

from services.detection.detectors import metrics
from services.detection.detectors.inquiry import Inquiry
from services.detection.detectors.live import LiveDetectors
from services.detection.detectors.port import Kind, Question

_NOT_PASSED_ON = ("child_safety.", "exploitation.")


async def ask_about(
    detectors: LiveDetectors,
    item: detection_service_pb2.ScoreItem,
    signals: signals_pb2.Signals,
    *,
    deadline: float | None,
) -> None:
    """Writes what they find into `signals`, by `deadline` (of `time.monotonic`). Nothing happens where none looks."""
    kind = Kind(str(item.content.WhichOneof("kind")))
    context = item.context
    panel = detectors.panel(kind, tenant=context.tenant, environment=context.environment, surface=item.surface)
    if panel is None:
        return
    if _known(signals):
        # A copy of it anywhere is a crime or a second harm: no detector gets one, wherever it runs.
        metrics.WITHHELD.inc()
        return
    content = item.content.image if kind is Kind.IMAGE else item.content.audio
    question = Question(
        kind,
        data=content.data,
        media_type=content.media_type,
        tenant=context.tenant,
        environment=context.environment,
        surface=item.surface,
    )
    await Inquiry(panel, question, deadline=deadline).finish(signals)


def _known(signals: signals_pb2.Signals) -> bool:
    return any(
        match.category.startswith(_NOT_PASSED_ON) and not match.negative and not match.cancelled
        for match in signals.matches
    )

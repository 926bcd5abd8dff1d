"""Which calibration holds for an item, and for which of the things in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from moat.detection.v1 import signals_pb2
from prometheus_client import Counter, Gauge

from services.routing.calibration.comparisons import basis, compared
from services.routing.calibration.document import NORMALISER, Calibration
from services.routing.document import PolicyDocument
from services.routing.views import Item, View
from services.runtime.logs import log

VIEWS = Counter(
    "routing_calibrated_views_total", "Texts of calibrated places, by whether the calibration held.", ["outcome"]
)
CALIBRATIONS = Gauge("routing_calibrations", "Calibrations, by whether they can hold under this policy.", ["state"])
_APPLIED, _OTHER_MODELS = VIEWS.labels("applied"), VIEWS.labels("other_models")


class Stale(NamedTuple):
    """A calibration that does not hold, and why."""

    calibration: Calibration
    reason: str


class Applied:
    """One calibration that holds under the policy."""

    __slots__ = ("_normaliser", "_versions", "_warned", "calibration", "limits", "name", "surface")

    def __init__(self, calibration: Calibration) -> None:
        """Ready to be asked for every item."""
        self.calibration = calibration
        self.name = calibration.reference_name
        self.surface = calibration.surface
        self.limits: Mapping[str, float] = {limit: one.value for limit, one in calibration.limits.items()}
        self._normaliser = calibration.models.get(NORMALISER, "")
        self._versions = {model: version for model, version in calibration.models.items() if model != NORMALISER}
        self._warned = False

    def holds_for(self, view: View) -> bool:
        """Whether its limits count for what is looked at: a text that was scored by the models it was made for. Another release
        has another scale, and there the policy's own limits hold until somebody calibrates again."""
        if self.is_about(view):
            _APPLIED.inc()
            return True
        if view.kind != "text" or not view.signals.scores:
            return False
        _OTHER_MODELS.inc()
        if not self._warned:
            self._warned = True
            log.warning("calibration_of_other_models", calibration=self.name, models=versions_of(view.signals))
        return False

    def is_about(self, view: View) -> bool:
        """As `holds_for`, and counts nothing."""
        return view.kind == "text" and bool(view.signals.scores) and self._is_of_its_models(view.signals)

    def _is_of_its_models(self, signals: signals_pb2.Signals) -> bool:
        if signals.normaliser_version != self._normaliser:
            return False
        return all(self._versions.get(tier.name, tier.version) == tier.version for tier in signals.tiers)


class Calibrations:
    """All of them, sorted by whether they hold."""

    def __init__(self, calibrations: Iterable[Calibration] = (), policy: PolicyDocument | None = None) -> None:
        """None holds without a policy."""
        self.stale: list[Stale] = []
        self._applied: dict[tuple[str, str, str], Applied] = {}
        for one in calibrations:
            reason = staleness(one, policy) if policy is not None else "no policy"
            if reason:
                self.stale.append(Stale(one, reason))
            else:
                self._applied[one.tenant, one.environment, one.surface] = Applied(one)

    def __bool__(self) -> bool:
        """Whether any holds."""
        return bool(self._applied)

    @property
    def applied(self) -> Sequence[Applied]:
        """Those that hold."""
        return list(self._applied.values())

    def of(self, item: Item) -> Applied | None:
        """The one for an item's place; None where the policy's own limits hold."""
        if not self._applied:
            return None
        context = item.context
        return self._applied.get((context.tenant, context.environment, item.surface))


NONE = Calibrations()


def staleness(calibration: Calibration, policy: PolicyDocument) -> str:
    """Why a calibration does not hold under a policy; empty if it does."""
    found = compared(policy)
    for limit, one in calibration.limits.items():
        if limit not in found:
            return f"the policy has no limit {limit!r} any more"
        if found[limit].category != one.category:
            problem = found[limit].problem or f"it is held against {found[limit].category} now"
            return f"limit {limit!r}: {problem}"
    if basis(policy, calibration.surface) != calibration.policy.basis:
        return f"made for {calibration.policy.name} {calibration.policy.version}, whose limits or rules were others"
    return ""


def versions_of(signals: signals_pb2.Signals) -> dict[str, str]:
    """What a text's scores were made by: the models that a calibration is bound to. Lists are none: they have no scores."""
    models = {tier.name: tier.version for tier in signals.tiers if tier.name not in ("cache", "terms")}
    return {NORMALISER: signals.normaliser_version, **dict(sorted(models.items()))}


def tell(calibrations: Calibrations) -> None:
    """Metrics and logs of calibrations that were just read."""
    CALIBRATIONS.labels("applied").set(len(calibrations.applied))
    CALIBRATIONS.labels("stale").set(len(calibrations.stale))
    for stale in calibrations.stale:
        log.warning("calibration_stale", calibration=stale.calibration.reference_name, reason=stale.reason)

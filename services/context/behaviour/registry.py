"""All detectors of behaviour. A new one is a module beside this and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from services.context.behaviour import joins_then_floods, same_text_from_many_accounts, sudden_targeting

BEHAVIOURS = (
    same_text_from_many_accounts.BEHAVIOUR,
    joins_then_floods.BEHAVIOUR,
    sudden_targeting.BEHAVIOUR,
)
_NAMES = [(f"behaviour.{one.name}", one) for one in BEHAVIOURS]


def behaviours_of(features: Mapping[str, float]) -> dict[str, float]:
    """What each of them says, by the name that rules use."""
    return {name: one.score(features) for name, one in _NAMES}

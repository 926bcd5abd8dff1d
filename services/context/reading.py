"""From an item to operations on windows, and from their answers to features. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moat.context.v1 import context_service_pb2

from services.context.behaviour.registry import behaviours_of
from services.context.windows import Plan

_DAY = 86400
_USER = (
    "user.messages_10s", "user.messages_1m", "user.messages_10m", "user.violations_10m", "user.violations_1h",
    "user.violations_24h", "user.edits_10m", "user.deletes_10m", "user.repeats_10m", "user.distinct_targets_10m",
    "user.messages_ever",
)  # fmt: skip
_CHANNEL = (
    "channel.messages_10s", "channel.messages_1m", "channel.violations_10m", "channel.joins_1m", "channel.repeats_2m",
    "channel.repeaters_2m",
)  # fmt: skip
_COUNTED_NOW = frozenset(
    (
        "user.messages_10s", "user.messages_1m", "user.messages_10m", "user.repeats_10m", "user.messages_ever",
        "channel.messages_10s", "channel.messages_1m", "channel.repeats_2m",
    )
)  # fmt: skip
"""What the item at hand adds one to."""

Place = tuple[str, int]
Places = tuple[Place, Place | None, list[Place]]
"""Where the answers for user, channel and targets will be."""


def plan_reading(plan: Plan, item: context_service_pb2.ContextItem, now: float) -> Places:
    """Adds what has to be read for an item."""
    tenant, environment = item.context.tenant, item.context.environment
    digest, user = item.content_digest.hex(), item.user_id
    user_place = plan.add(tenant, environment, user, ["user", user, digest, now])
    channel = item.channel_id
    channel_place = plan.add(tenant, environment, channel, ["channel", channel, digest, now, user]) if channel else None
    targets = [
        plan.add(tenant, environment, to, ["target", to, user, now]) for to in dict.fromkeys(item.target_user_ids)
    ]
    return user_place, channel_place, targets


def features_of(
    item: context_service_pb2.ContextItem, places: Places, answers: Mapping[str, Sequence[Any]], now: float
) -> dict[str, float]:
    """Every feature that has a meaning for the item."""
    user_place, channel_place, target_places = places
    counts = answers[user_place[0]][user_place[1]]
    features = dict(zip(_USER, map(float, counts), strict=False))
    features["user.distinct_targets_10m"] = max(
        features["user.distinct_targets_10m"], float(len(set(item.target_user_ids)))
    )
    created, verified = counts[-2], counts[-1]
    features["account.age_days"] = max(0.0, (now - created) / _DAY) if created else -1.0
    features["account.verified"] = float(verified)
    if channel_place is not None:
        features.update(zip(_CHANNEL, map(float, answers[channel_place[0]][channel_place[1]]), strict=True))
    for name in _COUNTED_NOW & features.keys():
        features[name] += 1
    if target_places:
        found = [answers[tag][position] for tag, position in target_places]
        features["target.messages_10m"] = 1.0 + max(one[0] for one in found)
        features["target.violations_10m"] = float(max(one[1] for one in found))
        features["target.distinct_authors_10m"] = float(max(one[2] + one[3] for one in found))
    features.update(behaviours_of(features))
    return features

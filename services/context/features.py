"""The named numbers that a policy may use, in one list. Each is as if the item at hand were counted already."""

from __future__ import annotations

from services.context.behaviour.registry import BEHAVIOURS

FEATURES: dict[str, str] = {
    "user.messages_10s": "items by the user in the last 10 seconds",
    "user.messages_1m": "items by the user in the last minute",
    "user.messages_10m": "items by the user in the last 10 minutes",
    "user.violations_10m": "items by the user in the last 10 minutes in which a harm was found, and that were not plainly shown",
    "user.violations_1h": "the same in the last hour",
    "user.violations_24h": "the same in the last 24 hours",
    "user.edits_10m": "edits by the user in the last 10 minutes",
    "user.deletes_10m": "deletions by the user in the last 10 minutes",
    "user.repeats_10m": "times the user has said this very thing within 10 minutes",
    "user.distinct_targets_10m": "different users the user has addressed in the last 10 minutes",
    "user.messages_ever": "items by the user since it was first seen, two idle days forgotten",
    "account.age_days": "days since the account was made; -1 when nobody said",
    "account.verified": "1 when the account is said to be verified",
    "channel.messages_10s": "items in the channel in the last 10 seconds",
    "channel.messages_1m": "items in the channel in the last minute",
    "channel.violations_10m": "such items in the channel in the last 10 minutes",
    "channel.joins_1m": "joins of the channel in the last minute",
    "channel.repeats_2m": "times anybody has said this very thing in the channel within 2 minutes",
    "channel.repeaters_2m": "accounts that have said in the channel what had been said there within 2 minutes already",
    "target.messages_10m": "items aimed at the same user in the last 10 minutes, the most of all targets",
    "target.violations_10m": "such items aimed at the same user in the last 10 minutes",
    "target.distinct_authors_10m": "users who have addressed the target in 10 minutes, the most of all targets",
    **{f"behaviour.{one.name}": f"0 to 1: {one.summary}" for one in BEHAVIOURS},
}
"""Name → meaning. Windows move in steps of a fifth to a tenth of their length."""

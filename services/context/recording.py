"""From decisions and events to operations that count them, each once. Pure."""

from __future__ import annotations

from moat.context.v1 import context_service_pb2

from services.context.windows import Operation, Plan
from services.runtime.errors import InvalidRequest

_EVENTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    # type: whose windows (u, c), measure, windows
    "join": ("c", "j", ("m1",)),
    "leave": ("c", "l", ("m1",)),
    "edit": ("u", "e", ("m10",)),
    "delete": ("u", "d", ("m10",)),
    "account": ("u", "a", ()),
}
_SKEW_SECONDS = 86400.0
Place = tuple[str, int]


def plan_decision(plan: Plan, fact: context_service_pb2.DecisionFact, now: float) -> list[Place]:
    """Adds what has to be counted for a decision."""
    item = fact.item
    tenant, environment = item.context.tenant, item.context.environment
    decision, digest, user = item.context.decision_id, item.content_digest.hex(), item.user_id
    targets = list(dict.fromkeys(item.target_user_ids))
    when = _clamp(fact.create_time.seconds if fact.HasField("create_time") else now, now)
    places = [
        plan.add(tenant, environment, user, ["count_user", user, digest, when, decision, fact.violation, targets])
    ]
    if item.channel_id:
        operation: Operation = ["count_channel", item.channel_id, digest, when, decision, fact.violation, user]
        places.append(plan.add(tenant, environment, item.channel_id, operation))
    places += [
        plan.add(tenant, environment, to, ["count_target", to, user, when, decision, fact.violation]) for to in targets
    ]
    return places


def plan_event(plan: Plan, item: context_service_pb2.EventItem, now: float) -> list[Place]:
    """Adds what an event changes. Raises InvalidRequest for a type that is not known."""
    event = item.event
    try:
        kind, measure, windows = _EVENTS[event.type]
    except KeyError:
        raise InvalidRequest.field(
            "type", f"{event.type[:64]!r} is not known; there are {', '.join(_EVENTS)}", reason="UNKNOWN_EVENT"
        ) from None
    subject = event.channel_id if kind == "c" else event.user_id
    if not subject:
        raise InvalidRequest.field("channel_id", f"is needed for {event.type}")
    if event.facts and event.type != "account":
        raise InvalidRequest.field("facts", "belong to `account` only")
    when = _clamp(event.event_time.seconds if event.HasField("event_time") else now, now)
    operation: Operation = [
        "happened", kind, subject, when, event.event_id, measure, list(windows), dict(event.facts),
    ]  # fmt: skip
    return [plan.add(item.context.tenant, item.context.environment, subject, operation)]


def _clamp(when: float, now: float) -> int:
    """A clock that is off must not put counts where no window ever looks, nor where all do for ever."""
    return int(min(max(when, now - _SKEW_SECONDS), now))

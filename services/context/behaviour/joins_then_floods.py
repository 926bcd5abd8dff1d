"""Many join a channel at once and talk at once: a raid. Needs `join` events; without them it sees nothing.

The opening of an event looks alike, but there the regulars talk too, and for whoever has been here for long it says nothing.
"""

from __future__ import annotations

from services.context.behaviour.port import Behaviour, rises


def look(joins: float, messages: float, messages_ever: float) -> float:
    """All three together: joins, talk, and that the author is new."""
    return rises(joins, 4, 20) * rises(messages, 5, 40) * (1 - rises(messages_ever, 5, 50))


BEHAVIOUR = Behaviour(
    name="joins_then_floods",
    summary="many have joined the channel within a minute and it floods, and the author is new; so at the opening of an event",
    reads=("channel.joins_1m", "channel.messages_10s", "user.messages_ever"),
    look=look,
)

"""Many accounts say the very same thing in one channel: copied advertising, a brigade's slogan, a ring of bots.

"gg" at the end of a match is that too. Accounts that have talked here for long count half, and a rule should ask for something
else besides: that it reads like spam, or that it is aimed at somebody.
"""

from __future__ import annotations

from services.context.behaviour.port import Behaviour, rises


def look(repeaters: float, messages_ever: float) -> float:
    """Nothing below four accounts, all of it from twelve on."""
    return rises(repeaters, 3, 12) * (1 - rises(messages_ever, 3, 50) / 2)


BEHAVIOUR = Behaviour(
    name="same_text_from_many_accounts",
    summary="many accounts say the very same thing in the channel within 2 minutes; greetings at the end of a match do too",
    reads=("channel.repeaters_2m", "user.messages_ever"),
    look=look,
)

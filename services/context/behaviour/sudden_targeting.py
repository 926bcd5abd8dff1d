"""Many turn on one user within minutes, and it is not kind: a pile-on.

Somebody who is popular is addressed by many as well, so the share of violations among what they are told counts, and that the
author talks to few others.
"""

from __future__ import annotations

from services.context.behaviour.port import Behaviour, rises


def look(authors: float, messages: float, violations: float, targets: float) -> float:
    """Nothing below four authors; without any violation a third at most."""
    unkind = rises(violations / max(messages, 1.0), 0.0, 0.25)
    focused = 1 - rises(targets, 2, 8)
    return rises(authors, 3, 10) * rises(messages, 5, 25) * (1 + 2 * unkind) / 3 * focused


BEHAVIOUR = Behaviour(
    name="sudden_targeting",
    summary="many address one user within 10 minutes, unkindly, and the author few others; a popular user sees some of it too",
    reads=(
        "target.distinct_authors_10m",
        "target.messages_10m",
        "target.violations_10m",
        "user.distinct_targets_10m",
    ),
    look=look,
)

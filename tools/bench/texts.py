"""Chat lines for load: all different, so that no cache answers for the models, and of every kind a game chat has."""

from __future__ import annotations

import random
from collections.abc import Iterator

_WHO = ("we", "you", "they", "everyone", "my team", "the blue side", "that squad", "our healer", "the tank")
_DOES = ("push", "hold", "rush", "flank", "farm", "scout", "guard", "trade", "bait", "rotate", "camp", "stack")
_WHERE = ("mid", "top", "bot", "the gate", "the bridge", "the tower", "the boss pit", "the ruins", "spawn")
_WHEN = ("now", "after this wave", "in ten seconds", "next round", "before they respawn", "when I ping", "again")
_CLEAN = (
    "{who} should {does} {where} {when} {n}",
    "gg {n} that was close, {who} nearly lost {where}",
    "anyone up for ranked {when}? need {n} more for {where}",
    "nice shot from {where}, {who} did not see it {n}",
    "brb {n} minutes, {who} can {does} {where}",
    "how do you {does} {where} with level {n}?",
)
_IDIOM = (
    "kill the boss {when} then {does} {where} {n}",
    "{who} got destroyed at {where} {n} to nothing",
    "shoot him before he reaches {where} {n}",
    "I will murder that dragon {when}, bring {n} potions",
)
_HEATED = (
    "{who} are playing like trash at {where} {n}",
    "stop feeding {where} you clown, {n} deaths",
    "uninstall already, {who} lost {where} {n} times because of you",
    "you are so bad it hurts, {n} and still at {where}",
    "shut up and {does} {where}, nobody asked {n}",
    "what a pathetic loser, {n} games at {where}",
)
_SPAM = (
    "cheap gold {n} at gold{n}-shop dot example, {does} {when}",
    "FREE skins {n} click my profile {when}",
)


def lines(seed: int) -> Iterator[str]:
    """An endless, repeatable stream of different lines: about 80 % clean, 8 % idiom, 10 % heated, 2 % spam."""
    random_ = random.Random(seed)  # noqa: S311 - load, not secrets
    count = 0
    while True:
        count += 1
        kind = random_.choices((_CLEAN, _IDIOM, _HEATED, _SPAM), weights=(80, 8, 10, 2))[0]
        yield random_.choice(kind).format(
            who=random_.choice(_WHO),
            does=random_.choice(_DOES),
            where=random_.choice(_WHERE),
            when=random_.choice(_WHEN),
            n=f"{seed % 97}{count}",
        )

"""Lines written here, for what data sets lack: game idiom, benign mentions of identities, support, evasions, threats."""

from __future__ import annotations

import itertools
import random

from inference.training.data import Line
from services.detection.categories import CATEGORIES
from services.detection.normalise import normalise

_GOALS = ("the boss", "the dragon", "that tower", "mid lane", "the last wave", "their carry", "the zombies", "the bots")
_IDIOM = (
    "kill {goal} first", "we need to kill {goal} before the timer", "i will destroy {goal} next round",
    "shoot {goal} when it comes out", "we got destroyed by {goal}", "lets murder {goal} and loot", "burn {goal} down",
    "i died to {goal} again lol", "headshot on {goal} gg", "bomb {goal} then rush b", "{goal} is dead push now",
)  # fmt: skip
_CHAT = (
    "gg wp", "nice one mate", "anyone for ranked", "brb five minutes", "that was sick", "good morning all",
    "how do i craft this", "i love this map", "thanks for the carry", "need a healer", "see you tomorrow",
    "what time is the raid", "haha you got me", "well played everyone", "this damn lag", "omg that was close",
    "my bad", "no worries", "where are you guys from", "trade me two potions", "lets go team", "ez game",
)  # fmt: skip
_WHO = (
    "gay", "lesbian", "trans", "muslim", "jewish", "christian", "black", "asian", "latino", "deaf", "disabled", "autistic",
    "immigrant", "woman", "hindu", "bisexual",
)  # fmt: skip
_IDENTITY = (
    "i am {who} and proud of it", "my best friend is {who}", "as a {who} person i love this game",
    "{who} people deserve respect", "our guild leader is {who}", "happy to see a {who} hero in this game",
    "stop being mean to {who} players", "he called me a slur because i am {who}", "it is not ok to insult {who} people",
    "we do not hate {who} people here", "are there other {who} players around",
)  # fmt: skip
_INSULTS = (
    "you are such an idiot", "shut up you clown", "you are trash uninstall", "what a pathetic loser",
    "nobody likes you", "you are the worst player ever moron", "stupid noob go away", "you play like garbage",
    "dumbest teammate i ever had", "you are a worthless piece of trash", "get lost you freak", "what an absolute clown",
)  # fmt: skip
_THREATS = (
    "i will find you and hurt you", "i know where you live watch your back", "i am going to kill you for real",
    "i will come to your house and beat you", "you will be dead tomorrow i promise", "i will stab you after school",
    "say that again and i break your face", "i am going to shoot you when i see you outside", "you better hide i have a gun",
    "i will burn your house down",
)  # fmt: skip
_SUPPORT = (
    "i do not want to live anymore", "i want to end my life", "i keep cutting myself", "i feel like killing myself tonight",
    "nobody would miss me if i was gone", "i have been thinking about suicide",
)  # fmt: skip
_SPAM = (
    "cheap gold at {site} best price", "free skins click {site} now", "earn 500 dollars a day from home {site}",
    "selling accounts dm me {site}", "join my server {site} for free nitro", "hot deals visit {site} today only",
)  # fmt: skip
_SITES = ("gold-shop dot com", "www.freeskins.example", "http://link", "bit.ly/xyz", "best-boost.example", "t.me/deals")
_SWEARS = (
    "fuck",
    "shit",
    "damn shit",
    "fucking hell",
    "what the fuck",
    "holy shit",
    "this is bullshit",
    "fuck this lag",
)


def lines(seed: int, repeats: int = 3) -> list[Line]:
    """About 2,000 lines, disguised ones among them."""
    random_ = random.Random(seed)
    clean = dict.fromkeys(CATEGORIES, 0)
    made: list[Line] = []

    def add(text: str, **labels: int) -> None:
        known = {**clean, **{name.replace("__", "."): value for name, value in labels.items()}}
        values = tuple(float(known[category]) if known[category] >= 0 else float("nan") for category in CATEGORIES)
        made.append(Line(normalise(text).text, values, "written_here"))

    for _ in range(repeats):
        for template, goal in itertools.product(_IDIOM, _GOALS):
            add(template.format(goal=goal))
        for text in _CHAT:
            add(text)
        for template, who in itertools.product(_IDENTITY, _WHO):
            add(template.format(who=who))
        for text in _INSULTS:
            for form in (text, disguised(text, random_)):
                add(form, toxicity=1, harassment__insult=1)
        for text in _THREATS:
            for form in (text, f"{random_.choice(_CHAT)} {text}", disguised(text, random_)):
                add(form, toxicity=1, violence__threat=1, harassment__insult=-1)
        for text in _SUPPORT:
            add(text, self_harm=1, toxicity=-1)
        for template, site in itertools.product(_SPAM, _SITES):
            add(template.format(site=site), integrity__spam=1)
        for text in _SWEARS:
            for form in (text, disguised(text, random_)):
                add(form, platform__profanity=1, toxicity=-1)
    return made


def disguised(text: str, random_: random.Random) -> str:
    """One of the ways in which people hide words."""
    way = random_.randrange(4)
    if way == 0:
        return text.translate(str.maketrans("oiea", "0134"))
    if way == 1:
        word = random_.choice(text.split())
        return text.replace(word, " ".join(word))
    if way == 2:  # noqa: PLR2004 - the third way
        return "".join(character * (4 if character in "aeiou" and random_.random() < 0.4 else 1) for character in text)  # noqa: PLR2004
    return text.translate(str.maketrans("aeocp", "аеоср"))  # noqa: RUF001 - the look-alikes are the point

"""Finds phone numbers, street addresses, e-mail addresses and bank accounts in a text: somebody's, and nobody asked them.

Rules, not a model: its scores say how much was found together and are no probabilities. One thing alone (0.5) is as often the
writer's own as somebody else's; with words that hand a person over ("she lives at", "his number is") or with a second kind of
thing it is 0.8, with both 0.95. It reads Latin script; addresses are found in English, German, French, Spanish and Italian forms.
RE2 alone, so that no text can take long.
"""

from __future__ import annotations

from collections.abc import Mapping

import re2

from services.detection.detectors.in_thread import InThread
from services.detection.detectors.port import Card, Detector, Kind, Place, Question

PERSONAL, HANDED_OVER = "privacy.personal_data", "privacy.doxxing"
_OPTIONS = re2.Options()
_OPTIONS.case_sensitive = False
_OPTIONS.log_errors = False
_SEP = r"[ .\-/]"
_PHONE = (
    # +44 20 7946 0958, 0049 (0)30 901820
    rf"(?:^|[^\w+.])(?:\+|00)[1-9]\d{{0,2}}{_SEP}?(?:\(0\){_SEP}?)?(?:\d{{1,5}}{_SEP}?){{1,5}}\d{{2,5}}\b",
    # (212) 555-0123, 212-555-0123, 212.555.0123
    r"(?:^|[^\w.\-])(?:\(\d{3}\) ?|\d{3}[.\-])\d{3}[.\-]\d{4}(?:$|[^\w.\-])",
    # 030 901820, 06 12 34 56 78: only behind a word that says what it is
    (
        r"\b(?:phone|call|text|tel|telefon|handy|mobile|cell|number|num[eé]ro|numero|nummer|whatsapp)\b\D{0,20}\b0"
        rf"(?:\d{{1,5}}{_SEP}?){{1,5}}\d{{2,5}}\b"
    ),
)
_ADDRESS = (
    r"\b[a-zäöüß.\-]{3,30}(?:stra(?:ß|ss)e|str\.|weg|gasse|allee|platz) \d{1,4}[a-z]?\b",
    r"\b\d{1,4}(?: ?bis)?,? (?:rue|avenue|boulevard|place|chemin|impasse) [a-zà-ÿ]",
    r"\b(?:calle|avenida|plaza|via|viale|piazza|corso) [a-zà-ÿ][\w .'\-]{2,40},? (?:n[º.°] ?)?\d{1,4}\b",
)
_STREET = (
    r"\b\d{1,5}[a-z]? ((?:[a-z][\w'.\-]* ){1,3})"
    r"(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|court|close|square|terrace)\b"
)
"""What stands between number and `street` must be a name: "12 kills in a row, road" is none."""
_NO_NAME = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "at",
        "be",
        "but",
        "by",
        "can",
        "did",
        "do",
        "for",
        "from",
        "get",
        "go",
        "got",
        "had",
        "has",
        "have",
        "he",
        "i",
        "if",
        "in",
        "is",
        "it",
        "just",
        "kills",
        "left",
        "like",
        "min",
        "minute",
        "minutes",
        "mins",
        "more",
        "my",
        "new",
        "no",
        "not",
        "of",
        "off",
        "on",
        "one",
        "or",
        "our",
        "out",
        "over",
        "per",
        "points",
        "she",
        "so",
        "than",
        "that",
        "the",
        "their",
        "then",
        "there",
        "they",
        "this",
        "times",
        "to",
        "too",
        "up",
        "us",
        "was",
        "we",
        "were",
        "will",
        "win",
        "wins",
        "with",
        "you",
        "your",
    ]
)
_MAIL = (r"\b[\w.+\-]{1,64}@[a-z0-9\-]{1,63}(?:\.[a-z0-9\-]{1,63}){0,3}\.[a-z]{2,10}\b",)
_ACCOUNT = (r"\b[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){3,7}(?: ?[a-z0-9]{1,3})?\b",)
_HANDS_OVER = (
    r"\b(?:he|she|they|this guy|that guy|[a-z]+) (?:lives?|is living|stays) (?:at|in|on)\b",
    r"\b(?:his|her|their|[a-z]+'s) (?:real |home |private )?(?:phone|number|cell|add?ress|e-?mail|house|account|iban)\b",
    r"\b(?:doxx?(?:ed|ing)?|pay (?:him|her|them) a visit|go (?:and )?(?:say hi|visit))\b",
    r"\b(?:er|sie) wohnt (?:in|an|auf)\b|\b(?:seine|ihre) (?:adresse|nummer|handynummer)\b",
    r"\b(?:il|elle) habite (?:au|à|a|rue)\b|\b(?:son|sa) (?:adresse|num[eé]ro)\b",
    r"\bvive en (?:la )?(?:calle|avenida|plaza)\b|\bsu (?:direcci[oó]n|n[uú]mero|tel[eé]fono)\b",
    r"\babita in (?:via|piazza|viale)\b|\b(?:il suo|la sua) (?:indirizzo|numero)\b",
)


def _any(patterns: tuple[str, ...]) -> re2._Regexp:
    return re2.compile("|".join(f"(?:{one})" for one in patterns), _OPTIONS)


_PHONES, _ADDRESSES, _STREETS = _any(_PHONE), _any(_ADDRESS), _any((_STREET,))
_MAILS, _ACCOUNTS, _WORDS = _any(_MAIL), _any(_ACCOUNT), _any(_HANDS_OVER)


def look(question: Question) -> Mapping[str, float]:
    """Both categories; nothing where nothing is found."""
    text = question.text.encode("utf-8", "replace").decode()
    account = _ACCOUNTS.search(text) is not None
    things = (
        account,
        # The digits of an account look like a number to call.
        not account and _PHONES.search(text) is not None,
        _ADDRESSES.search(text) is not None or _has_street(text),
        _MAILS.search(text) is not None,
    )
    if not any(things):
        return {}
    handed, several = _WORDS.search(text) is not None, sum(things) > 1
    score = 0.95 if several and handed else 0.8 if several or handed else 0.5
    return {PERSONAL: score, HANDED_OVER: score if handed else score / 2}


def _has_street(text: str) -> bool:
    return any(_NO_NAME.isdisjoint(match[1].lower().split()) for match in _STREETS.finditer(text))


DETECTOR = Detector(
    Card(
        name="phone_number_or_address_shared",
        summary="phone numbers, street and e-mail addresses, bank accounts, by rules; scores are no probabilities",
        version="1",
        kinds=frozenset((Kind.TEXT,)),
        place=Place.IN_PROCESS,
        categories=frozenset((PERSONAL, HANDED_OVER)),
    ),
    lambda opening: InThread(look, opening),
)

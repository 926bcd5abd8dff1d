"""Emoji as the words that they stand for: the deep tier's vocabulary knows words, and knows few pictures."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_PICTURE = re.compile("[\u2190-\u2bff\u3030\u303d\U0001f000-\U0001fbff]")
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]{2}")
_FIRST_LETTER = 0x1F1E6
_SAID = {
    "\U0001f3fb": "white", "\U0001f3fc": "white", "\U0001f3fd": "brown", "\U0001f3fe": "black", "\U0001f3ff": "black",
    "\U0001f602": "lol", "\U0001f923": "lol", "\U0001f60a": "smile", "\U0001f642": "smile", "\U0001f600": "smile",
    "\U0001f62d": "crying", "\U0001f622": "crying", "\U0001f44d": "good", "\U0001f44e": "bad", "\U0001f64f": "please",
    "\U0001f52b": "gun", "\U0001f52a": "knife", "\U0001f5e1": "knife", "\U0001f4a3": "bomb", "\U0001f4a9": "shit",
    "\U0001f921": "clown", "\U0001f92e": "vomit", "\U0001f922": "disgusting", "\U0001f595": "fuck you",
    "\U0001f412": "monkey", "\U0001f435": "monkey", "\U0001f98d": "gorilla", "\U0001f437": "pig", "\U0001f416": "pig",
    "\U0001f400": "rat", "\U0001f401": "rat", "\U0001f42d": "rat", "\U0001f40d": "snake", "\U0001f99f": "mosquito",
    "\U0001f9a0": "virus", "\U0001f40e": "horse", "\U0001f34c": "banana", "\U0001f351": "butt", "\U0001f346": "penis",
    "\U0001f480": "dead", "\u2620": "dead", "\U0001f621": "angry", "\U0001f620": "angry", "\U0001f92c": "swearing",
    "\u2764": "love", "\U0001f496": "love", "\U0001f49c": "love", "\U0001f60d": "love", "\U0001f970": "love",
    "\U0001f473": "muslim man", "\U0001f9d5": "muslim woman", "\U0001f54c": "mosque", "\u262a": "islam",
    "\u2721": "jewish", "\U0001f54e": "jewish", "\U0001f54d": "synagogue", "\u271d": "christian", "\u26ea": "church",
    "\U0001f308": "rainbow gay", "\u26a7": "transgender", "\U0001f468": "man", "\U0001f469": "woman", "\U0001f475": "old woman",
    "\U0001f474": "old man", "\U0001f476": "baby", "\U0001f46c": "gay men", "\U0001f46d": "lesbian women",
    "\u267f": "disabled", "\U0001f9bd": "wheelchair", "\U0001f9bc": "wheelchair", "\U0001f469\u200d\U0001f9bd": "wheelchair",
    "\U0001f6ab": "no", "\u274c": "no", "\U0001f3f3": "flag", "\U0001f3f4": "flag", "\U0001f525": "fire", "\U0001f5d1": "trash",
    "\U0001f6ae": "trash", "\U0001f413": "chicken", "\U0001f404": "cow", "\U0001f40b": "whale", "\U0001f436": "dog",
    "\U0001f415": "dog", "\U0001f43a": "wolf", "\U0001f47f": "devil", "\U0001f608": "devil", "\u2699": "gear",
    "\U0001f47a": "monster", "\U0001f479": "monster", "\U0001fa78": "blood", "\U0001f489": "needle", "\U0001faa2": "rope",
}  # fmt: skip
"""Where Unicode's own name is long or misses what people mean."""
_COUNTRIES = {
    "il": "israel", "ps": "palestine", "cn": "china", "mx": "mexico", "pk": "pakistan", "in": "india", "ng": "nigeria",
    "sa": "saudi", "ir": "iran", "us": "america", "gb": "britain", "de": "germany", "fr": "france", "pl": "poland",
    "ru": "russia", "ua": "ukraine", "tr": "turkey", "jp": "japan", "kr": "korea", "br": "brazil", "it": "italy",
    "es": "spain", "nl": "netherlands", "af": "afghanistan", "sy": "syria", "ro": "romania", "ph": "philippines",
}  # fmt: skip
_EMPTY_WORDS = frozenset(
    (
        "face",
        "with",
        "of",
        "and",
        "the",
        "sign",
        "symbol",
        "heavy",
        "emoji",
        "modifier",
        "button",
        "selector",
        "small",
        "large",
    )
)


def spell_out(text: str) -> str:
    """The text with each picture replaced by a word or two, apart from their neighbours. Linear; other characters stay."""
    if text.isascii() or _PICTURE.search(text) is None:
        return text
    return _PICTURE.sub(lambda match: f" {_words(match[0])} ", _FLAG.sub(_country, text))


def _country(match: re.Match[str]) -> str:
    code = "".join(chr(ord(letter) - _FIRST_LETTER + ord("a")) for letter in match[0])
    return f" {_COUNTRIES.get(code, code)} flag "


@lru_cache(maxsize=4096)
def _words(picture: str) -> str:
    said = _SAID.get(picture)
    if said is not None:
        return said
    name = unicodedata.name(picture, "").lower().replace("-", " ").split()
    return " ".join([word for word in name if word not in _EMPTY_WORDS][:3])

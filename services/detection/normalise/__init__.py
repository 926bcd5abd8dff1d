"""Takes the disguise off a text, and remembers where each character came from, so that spans can be masked in the
original. Linear in the text's length; never raises."""

from services.detection.normalise.text import VERSION, Normalised, normalise

__all__ = ["VERSION", "Normalised", "normalise"]

"""The categories that have labels to learn from, by their ids in the taxonomy, and what data sets call them."""

from __future__ import annotations

LABELS = {
    "toxicity": "toxicity",
    "insult": "harassment.insult",
    "identity_hate": "hate",
    "threat": "violence.threat",
    "sexual": "sexual",
    "profanity": "platform.profanity",
    "self_harm": "self_harm",
    "spam": "integrity.spam",
}
"""A data set's label → category. `toxicity` is a composite of several."""
CATEGORIES = tuple(LABELS.values())
"""In the order of every model's outputs."""

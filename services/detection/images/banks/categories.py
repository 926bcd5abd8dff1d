"""The categories that an entry of a hash bank may have, by their ids in the taxonomy: what pictures can be known for."""

from __future__ import annotations

BANK_CATEGORIES = frozenset(
    (
        "child_safety.csam", "child_safety.csam_synthetic", "child_safety.sexualisation",
        "extremism.terrorist_content", "extremism.attack_footage", "extremism.support",
        "exploitation.ncii", "exploitation.ncii_synthetic", "exploitation.voyeurism",
        "hate", "hate.symbol", "violence.graphic", "violence.animal_cruelty", "self_harm", "self_harm.depiction",
        "sexual", "sexual.explicit", "sexual.nudity", "fraud.financial_scam", "fraud.phishing", "integrity.spam",
        "misinformation.synthetic_media", "privacy.doxxing", "privacy.private_image", "ip.copyright", "platform.prohibited_offer",
    )
)  # fmt: skip

"""The categories of harm that there are, by their ids: what detectors may score and policies may name. Ids are permanent."""

from __future__ import annotations

import re

TAXONOMY = frozenset(
    """
    hate hate.slur hate.dehumanisation hate.stereotype hate.exclusion hate.incitement hate.threat hate.symbol
    hate.atrocity_denial
    harassment harassment.insult harassment.trolling harassment.targeted harassment.bullying harassment.threatening
    harassment.sexual harassment.stalking harassment.brigading harassment.victim_mockery
    violence violence.threat violence.incitement violence.glorification violence.graphic violence.disturbing
    violence.weapon_display violence.coordinated_harm violence.animal_cruelty
    extremism extremism.terrorist_content extremism.attack_footage extremism.recruitment extremism.support
    extremism.organised_crime
    self_harm self_harm.intent self_harm.promotion self_harm.instructions self_harm.depiction
    self_harm.eating_disorder self_harm.dangerous_challenge
    sexual sexual.explicit sexual.nudity sexual.suggestive sexual.language sexual.solicitation sexual.unlabelled
    sexual.bestiality
    exploitation exploitation.ncii exploitation.ncii_synthetic exploitation.voyeurism exploitation.sextortion
    exploitation.sexual_violence exploitation.human_trafficking exploitation.forced_labour
    child_safety child_safety.csam child_safety.csam_synthetic child_safety.csam_trade child_safety.grooming
    child_safety.sextortion child_safety.trafficking child_safety.sexualisation child_safety.physical_abuse
    child_safety.bullying child_safety.minor_privacy child_safety.age_inappropriate child_safety.underage_user
    regulated regulated.drugs regulated.weapons regulated.medicines regulated.alcohol_tobacco regulated.gambling
    regulated.wildlife regulated.unsafe_product regulated.environment regulated.restricted_service
    regulated.hidden_advertising regulated.trader_information regulated.misleading_offer regulated.consumer_rights
    regulated.pricing
    dangerous dangerous.illicit_instructions dangerous.violent_instructions dangerous.weapon_making dangerous.cbrn
    dangerous.cyber_attack dangerous.unqualified_advice dangerous.model_abuse
    fraud fraud.phishing fraud.malicious_link fraud.financial_scam fraud.pyramid fraud.romance fraud.account_takeover
    fraud.fake_listing fraud.fake_review fraud.stolen_data
    integrity integrity.spam integrity.fake_account integrity.impersonation integrity.coordinated_inauthentic
    integrity.engagement_manipulation integrity.ban_evasion integrity.cheating integrity.report_abuse
    misinformation misinformation.election_process misinformation.voter_interference misinformation.political_ads
    misinformation.civic_impersonation misinformation.foreign_interference misinformation.health misinformation.crisis
    misinformation.synthetic_media misinformation.gendered
    privacy privacy.doxxing privacy.personal_data privacy.biometric privacy.private_image privacy.erasure_request
    privacy.data_falsification privacy.defamation
    ip ip.copyright ip.trademark ip.design ip.patent ip.trade_secret ip.geographic_indication
    platform platform.profanity platform.off_topic platform.age_restriction platform.geo_restriction
    platform.language_rule platform.prohibited_offer platform.off_platform_diversion platform.profile_rule
    platform.unspecified_notice platform.other
    """.split()  # noqa: SIM905 - a hundred names read better without their quotes
)
"""Areas (`hate`) and what is in them (`hate.slur`)."""
COMPOSITE = "toxicity"
"""Several of them at once."""
_OF_A_TENANT = re.compile(r"x_[a-z0-9_]{1,40}\.[a-z0-9_]{1,60}")


def is_category(name: str) -> bool:
    """Whether `name` is a category of the taxonomy, the composite, or a tenant's own (`x_arena.poaching`)."""
    return name in TAXONOMY or name == COMPOSITE or _OF_A_TENANT.fullmatch(name) is not None

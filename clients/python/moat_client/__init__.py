"""Asks Moat whether something may be shown: coalesced over a few long streams, within a deadline, safe to retry."""

from moat_client.client import Moat
from moat_client.content import Audio, Image
from moat_client.errors import MoatError
from moat_client.types import Action, Decision, Finding, Outage, PartDecision
from moat_client.voice import Utterance, Voice

__all__ = [
    "Action",
    "Audio",
    "Decision",
    "Finding",
    "Image",
    "Moat",
    "MoatError",
    "Outage",
    "PartDecision",
    "Utterance",
    "Voice",
]

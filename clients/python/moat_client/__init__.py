"""Asks Moat whether something may be shown: coalesced over a few long streams, within a deadline, safe to retry."""

from moat_client.client import Moat
from moat_client.errors import MoatError
from moat_client.types import Action, Decision, Outage

__all__ = ["Action", "Decision", "Moat", "MoatError", "Outage"]

"""What setting up says when it cannot go on."""

from __future__ import annotations


class SetupFailed(Exception):
    """The message names what is missing and its remedy."""

"""Sound as numbers: one channel, 16,000 samples a second, 32-bit floats between -1 and 1."""

from __future__ import annotations

RATE = 16_000
"""Samples a second, wherever nothing else is said."""

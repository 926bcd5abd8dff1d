"""Speech for tests, measurements and the demonstration, made by eSpeak NG, which `make setup` installs for them. It is nobody's
voice, and no part of what is published."""

from __future__ import annotations

import importlib.util


def can_be_made() -> bool:
    """Whether the synthesiser is installed."""
    return importlib.util.find_spec("espeakng_loader") is not None

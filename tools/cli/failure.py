"""What a command says when it cannot do what was asked."""

from __future__ import annotations


class Failure(Exception):
    """Ends the command with one line on stderr and exit code 1."""

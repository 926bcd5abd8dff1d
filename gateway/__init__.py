"""The public door: admits items, asks the services about them, commits what was decided, and only then answers."""

VERSION = "0.1.0"
"""Stands on every record this gateway makes."""

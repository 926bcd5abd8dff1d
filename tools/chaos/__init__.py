"""Kills everything at random moments under load, then holds the record against what was answered."""

"""Owns the verdict: the active policy over signals, features and restrictions."""

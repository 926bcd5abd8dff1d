"""Releases of the text models: what belongs to one, which one is live, and which are tried beside it."""

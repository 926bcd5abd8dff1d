"""Owns what is in the content: normalising, language, term lists, the tiers of models, and their cascade."""

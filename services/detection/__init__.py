"""Owns what is in the content. Of lines: normalising, language, term lists, tiers of models and their cascade. Of pictures: hash
banks and a model."""
